//! dnsmasq as a name server of one zone: a small answer, and one that no small datagram holds.

use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::process::Background;

/// A name with one TXT record.
pub const SMALL: &str = "small.fabric.test";
/// What it says.
pub const SMALL_TEXT: &str = "hello";
/// A name with [`LARGE_RECORDS`] TXT records of 200 bytes.
pub const LARGE: &str = "large.fabric.test";
/// Makes an answer of more than 3000 bytes: three Ethernet frames, below what a datagram may be.
pub const LARGE_RECORDS: usize = 15;

/// A running name server. It ends when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    /// The process.
    pub process: Background,
}

impl NameServer {
    /// Starts it on port 53 of every address of `host`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host) -> Self {
        let name = format!("dnsmasq-{}", host.name);
        let mut command = host.namespace.command("dnsmasq");
        // `-C /dev/null` and the next two: nothing of the machine's own configuration.
        command.args(["-C", "/dev/null", "--no-resolv", "--no-hosts"]);
        command.args(["--keep-in-foreground", "--log-facility=-", "--pid-file="]);
        command.args(["--user=root", "--edns-packet-max=4096", "--auth-ttl=5"]);
        command.arg(format!("--txt-record={SMALL},{SMALL_TEXT}"));
        for number in 0..LARGE_RECORDS {
            command.arg(format!("--txt-record={LARGE},{number:0200}"));
        }
        let mut process = Background::start(&name, command, &fabric.logs());
        eventually(&name, || {
            process.check_alive()?;
            let listens = |protocol| host.namespace.is_listening(protocol, 53);
            let ready = listens("udp") && listens("tcp");
            expect(ready, || "it does not listen".to_owned())
        });
        Self { process }
    }
}
