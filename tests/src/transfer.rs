//! Large files by curl, in both directions, checked by their sums.

use std::net::SocketAddr;

use crate::fabric::{Fabric, Host};
use crate::peers::{Blob, sha256};

/// Seconds until a transfer counts as stuck: a path that loses large packets never ends by itself.
const PATIENCE: &str = "60";

/// Fetches `/blob` from an nginx.
///
/// # Panics
/// It does not arrive, or not as it was sent.
pub fn download(fabric: &Fabric, client: &Host, from: SocketAddr, blob: &Blob) {
    let copy = fabric.scratch().join(format!("copy-{}", client.name));
    let file = copy.display().to_string();
    let url = format!("http://{from}/blob");
    let words = ["curl", "-sSgf", "-m", PATIENCE, "-o", &file, &url];
    client.namespace.run(words);
    assert_eq!(sha256(&copy), blob.sha256, "what came from {from}");
}

/// Sends the blob to a `receiver` of this id.
///
/// # Panics
/// It does not arrive, or not as it was sent, or at somebody else.
pub fn upload(client: &Host, to: SocketAddr, blob: &Blob, id: &str) {
    let file = blob.path.display().to_string();
    let url = format!("http://{to}/upload");
    let words = ["curl", "-sSgf", "-m", PATIENCE, "-T", &file, &url];
    let answer = client.namespace.run(words);
    let expected = format!("{} {} {id}\n", blob.sha256, blob.bytes);
    assert_eq!(answer, expected, "what {to} says");
}
