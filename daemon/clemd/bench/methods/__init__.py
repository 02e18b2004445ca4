"""One module per published method: its experiments, published figures beside ours."""
