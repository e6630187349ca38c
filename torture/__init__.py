"""Programs that try to break a promise, each at a scale of your choice and with a control that must be found."""
