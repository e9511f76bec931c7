//! The configuration file: any text. What is refused says why.

use control::config::Config;

/// Reads `data` as a configuration file of a machine with four CPUs.
///
/// # Panics
/// An error has no text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = Config::parse(text, "viaduct.toml", &[0, 1, 2, 3]) {
        assert!(!error.to_string().is_empty());
    }
}
