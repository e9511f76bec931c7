//! The services file: any text. What is accepted says the same when it is read again.

use std::path::Path;

use control::sources::file::interpret;

/// Reads `data` as a services file.
///
/// # Panics
/// Two readings of the same text differ.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let path = Path::new("services.toml");
    match (interpret(text, path), interpret(text, path)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        _ => panic!("the same text is valid and not valid"),
    }
}
