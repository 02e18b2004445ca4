"""Everything vendor-specific: file formats, sensors, bridges, simulators."""
