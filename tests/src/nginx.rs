//! nginx as a task: one process on one port of one host, with its own configuration, that says who
//! it is at `/` and `/id`, who asks at `/from`, and serves a large file at `/blob`.

use std::path::Path;

use crate::eventually::{eventually, expect};
use crate::fabric::{Fabric, Host};
use crate::peers::MANY_FILES;
use crate::process::Background;

/// A running nginx. It ends when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    /// What it answers: its host's name, a colon and its port.
    pub id: String,
    process: Background,
}

impl Nginx {
    /// Starts nginx on a port of `host` and waits until it listens.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start(fabric: &Fabric, host: &Host, port: u16) -> Self {
        let id = format!("{}:{port}", host.name);
        let name = format!("nginx-{}-{port}", host.name);
        let folder = fabric.scratch().join(&name);
        std::fs::create_dir_all(&folder).expect("the scratch folder is writable");
        let file = folder.join("nginx.conf");
        let text = configuration(
            &id,
            &listen(host, port),
            &folder,
            &fabric.scratch().join("blob"),
        );
        std::fs::write(&file, text).expect("the scratch folder is writable");
        let mut command = host.namespace.command("prlimit");
        command
            .arg(MANY_FILES)
            .arg("nginx")
            .arg("-e")
            .arg("stderr")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&file);
        let mut process = Background::start(&name, command, &fabric.logs());
        eventually(&name, || {
            process.check_alive()?;
            expect(host.namespace.is_listening("tcp", port), || {
                format!("port {port} is closed")
            })
        });
        Self { id, process }
    }

    /// Ends it with SIGKILL, as a crash would: the kernel resets its connections.
    pub fn crash(&mut self) {
        self.process.kill();
    }
}

/// On every address, so that a VIP on loopback is served too.
fn listen(host: &Host, port: u16) -> String {
    let v6 = format!(" listen [::]:{port} backlog=4096;");
    let v6 = if host.address6.is_some() { &v6 } else { "" };
    format!("listen {port} backlog=4096;{v6}")
}

/// One process without workers, so that ending it ends everything.
fn configuration(id: &str, listen: &str, folder: &Path, blob: &Path) -> String {
    let (folder, blob) = (folder.display(), blob.display());
    format!(
        r#"daemon off;
master_process off;
user root;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        {listen}
        add_header X-Responder "{id}" always;
        location = / {{ return 200 "{id}\n"; }}
        location = /id {{ return 200 "{id}\n"; }}
        location = /from {{ return 200 "$remote_addr\n"; }}
        location = /blob {{ alias {blob}; }}
    }}
}}
"#
    )
}
