//! `strongroom._rust`: parse arguments, release the GIL, call the core, wrap the result.
