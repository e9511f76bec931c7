//! Services from a TOML file that a person or a tool writes.
//!
//! The file's content is looked at every `poll`, so it does not matter how it is replaced. A
//! file that is missing, or not valid, is a fault and leaves the last good content in force;
//! file that has become empty is one too, unless it says so with `service = []`, because it is more
//! likely to have been cut off than meant;
//! an entry that makes no sense is skipped alone and reported (see `file/parse.rs`). Nothing here
//! writes to the file.

mod parse;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::{File, metadata};
use tokio::io::AsyncReadExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Source;
use super::publisher::Publisher;
use crate::desired::Snapshot;

/// The source's name in status, metrics, problems and logs.
pub const NAME: &str = "file";

/// Largest file that is read.
const MAX_SIZE: u64 = 16 << 20;
/// A file that has changed must look the same for this long before it is used, because some
/// writers empty it first.
const SETTLE: Duration = Duration::from_millis(20);

/// How to read the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The services file.
    pub path: PathBuf,
    /// How often its content is looked at.
    pub poll: Duration,
}

/// Why the file's content cannot be used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{} cannot be read: {error}; create it or correct `sources.file.path`", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} has more than {MAX_SIZE} bytes; is it the services file?", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is not UTF-8 text (byte {at} is wrong); save it as UTF-8", path.display())]
    Encoding { path: PathBuf, at: usize },
    #[error("{} has no service any more, although it had; the last ones are kept. Write `service = []` if that is meant", path.display())]
    Emptied { path: PathBuf },
    #[error("{} is no regular file; name a file in `sources.file.path`", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is not valid, so nothing of it is used:\n{error}", path.display())]
    Syntax {
        path: PathBuf,
        error: toml::de::Error,
    },
}

/// What the text of a services file asks for; `path` only stands for the file in messages.
///
/// # Errors
/// The text is no valid TOML, has an unknown key or a value of the wrong type.
pub fn interpret(text: &str, path: &Path) -> Result<Snapshot, toml::de::Error> {
    parse::snapshot(text, path)
}

/// Starts the source on the current tokio runtime; it ends with `shutdown`.
#[must_use]
pub fn spawn(options: Options, shutdown: CancellationToken) -> Source {
    let (publisher, source) = Publisher::new(NAME);
    tokio::spawn(async move {
        shutdown
            .run_until_cancelled(poll_forever(options, publisher))
            .await;
    });
    source
}

async fn poll_forever(options: Options, publisher: Publisher) {
    let mut used = None;
    let mut had_services = false;
    loop {
        match read_settled(&options.path, used.as_deref()).await {
            Ok(text) if used.as_ref() == Some(&text) => publisher.unchanged(),
            Ok(text) => match judge(&text, &options.path, had_services) {
                Ok(snapshot) => {
                    had_services = !snapshot.services.is_empty();
                    publisher.good(snapshot);
                    used = Some(text);
                }
                Err(error) => publisher.failed(error.to_string()),
            },
            Err(error) => publisher.failed(error.to_string()),
        }
        sleep(options.poll).await;
    }
}

/// What a changed file asks for, if it can be believed.
fn judge(text: &str, path: &Path, had_services: bool) -> Result<Snapshot, FileError> {
    let path_of = || path.to_owned();
    let syntax = |error| FileError::Syntax {
        path: path_of(),
        error,
    };
    let snapshot = parse::snapshot(text, path).map_err(syntax)?;
    if had_services && !parse::has_list(text) {
        return Err(FileError::Emptied { path: path_of() });
    }
    Ok(snapshot)
}

/// The file's content; if it is other than what is `used`, once it has stopped changing.
async fn read_settled(path: &Path, used: Option<&str>) -> Result<String, FileError> {
    let mut text = read(path).await?;
    while used != Some(text.as_str()) {
        sleep(SETTLE).await;
        let again = read(path).await?;
        if again == text {
            break;
        }
        text = again;
    }
    Ok(text)
}

async fn read(path: &Path) -> Result<String, FileError> {
    let unreadable = |error| FileError::Read {
        path: path.to_owned(),
        error,
    };
    // Opening a pipe would wait for its writer.
    if !metadata(path).await.map_err(unreadable)?.is_file() {
        return Err(FileError::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::open(path).await.map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
        });
    }
    String::from_utf8(bytes).map_err(|error| FileError::Encoding {
        path: path.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })
}

#[cfg(test)]
mod tests;
