//! One network namespace and running programs in it. Names begin with the prefix of their
//! fabric, which a [`crate::guardian::Guardian`] sweeps; a namespace does not remove itself.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::process::{Command, Output};

use crate::process;

/// A network namespace by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with its loopback interface up and IPv6 off, so that the only traffic on
    /// the fabric is what a test sends.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn create(name: &str) -> Self {
        process::run(Command::new("ip").args(["netns", "add", name]));
        let namespace = Self { name: name.into() };
        namespace.run(["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
        namespace.run(["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
        namespace.ip("link set lo up");
        namespace
    }

    /// Turns IPv6 on for an interface that exists, and for loopback. No router is solicited and
    /// no address is probed for, so that addresses work at once.
    ///
    /// # Panics
    /// It cannot be turned on.
    pub fn enable_ipv6(&self, device: &str) {
        for (key, value) in [
            ("accept_ra", 0),
            ("router_solicitations", 0),
            ("accept_dad", 0),
            ("dad_transmits", 0),
            ("disable_ipv6", 0),
        ] {
            self.sysctl(&format!("net.ipv6.conf.{device}.{key}"), value);
        }
        self.sysctl("net.ipv6.conf.lo.disable_ipv6", 0);
    }

    /// Sets a number below `/proc/sys` in this namespace.
    ///
    /// # Panics
    /// There is no such setting.
    pub fn sysctl(&self, key: &str, value: u32) {
        self.run(["sysctl", "-qw", &format!("{key}={value}")]);
    }

    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs `program` in this namespace, in the very process that is
    /// spawned (every step replaces itself), and that dies with the test's thread.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.name,
            "setpriv",
            "--pdeathsig",
            "KILL",
        ]);
        command.arg(program);
        command
    }

    /// Runs a program in this namespace to its end, whatever its exit status.
    #[must_use]
    pub fn output<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Output {
        process::output(&mut self.words(words))
    }

    /// Runs a program in this namespace and returns its standard output.
    ///
    /// # Panics
    /// It fails.
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> String {
        process::run(&mut self.words(words))
    }

    fn words<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut words = words.into_iter();
        let mut command = self.command(words.next().expect("a command has a program"));
        command.args(words);
        command
    }

    /// Runs `ip` on this namespace with these words, and returns what it prints.
    ///
    /// # Panics
    /// It fails.
    pub fn ip(&self, words: &str) -> String {
        process::run(
            Command::new("ip")
                .args(["-n", &self.name])
                .args(words.split_whitespace()),
        )
    }

    /// Whether an interface exists.
    #[must_use]
    pub fn has_interface(&self, interface: &str) -> bool {
        let words = ["-n", &self.name, "link", "show", "dev", interface];
        process::output(Command::new("ip").args(words))
            .status
            .success()
    }

    /// Whether the main table has a route to exactly this prefix.
    #[must_use]
    pub fn has_route(&self, prefix: &str) -> bool {
        let family = if prefix.contains(':') { "-6" } else { "-4" };
        !self
            .ip(&format!("{family} route show {prefix}"))
            .trim()
            .is_empty()
    }

    /// The path MTU that this namespace's kernel has learnt towards an address, if it has.
    ///
    /// # Panics
    /// There is no route.
    #[must_use]
    pub fn learnt_mtu(&self, to: IpAddr) -> Option<u32> {
        let text = self.ip(&format!("route get {to}"));
        let after = text.split_once(" mtu ")?.1;
        after.split_whitespace().next()?.parse().ok()
    }

    /// Makes this namespace's kernel forget every path MTU that it has learnt: what it knows
    /// shows in the segment size that it announces, and would spare the other side its lesson.
    ///
    /// # Panics
    /// `ip` fails.
    pub fn forget_mtus(&self) {
        self.ip("-4 route flush cache");
        self.ip("-6 route flush cache");
    }

    /// Whether something listens on this port: `tcp` or `udp`.
    #[must_use]
    pub fn is_listening(&self, protocol: &str, port: u16) -> bool {
        self.listeners(protocol, port) > 0
    }

    /// Number of sockets that listen on this port: `tcp` or `udp`.
    #[must_use]
    pub fn listeners(&self, protocol: &str, port: u16) -> usize {
        let sockets = if protocol == "udp" { "-Hlun" } else { "-Hltn" };
        self.run(["ss", sockets, &format!("sport = :{port}")])
            .lines()
            .count()
    }

    /// A counter of this namespace's kernel as nstat names it, such as `IcmpInDestUnreachs`;
    /// 0 if it has not counted yet.
    ///
    /// # Panics
    /// nstat cannot run.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        let text = self.run(["nstat", "-asz", name]);
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Body of a GET from inside this namespace, if the answer is 200.
    ///
    /// # Errors
    /// No answer within 5 s, or another status; with curl's words and the body.
    pub fn get(&self, url: &str) -> Result<String, String> {
        let output = self.output(["curl", "-sS", "-m", "5", "--fail-with-body", url]);
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(process::describe(&output))
        }
    }
}
