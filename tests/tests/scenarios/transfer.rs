//! Long transfers arrive complete, in both directions, and at the same time.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use viaduct_tests::attachment::Attachment;
use viaduct_tests::fabric::{Fabric, Host};
use viaduct_tests::marathon::App;
use viaduct_tests::nginx::Nginx;
use viaduct_tests::peers::{self, Blob};
use viaduct_tests::process::{self, Background};
use viaduct_tests::stage::Stage;

fn download(client: &Host, from: SocketAddr, to: &Path) -> Command {
    let mut command = client.namespace.command("curl");
    command
        .args(["-sSf", "-m", "100", &format!("http://{from}/blob"), "-o"])
        .arg(to);
    command
}

fn upload(client: &Host, blob: &Blob, to: SocketAddr) -> Command {
    let mut command = client.namespace.command("curl");
    command
        .args(["-sSf", "-m", "100", &format!("http://{to}/upload"), "-T"])
        .arg(&blob.path);
    command
}

pub(crate) fn a_hundred_mebibytes_arrive_both_ways(over: Attachment) {
    let fabric = Fabric::with(over, 1, 2);
    let blob = Blob::write(&fabric, 100);
    let (one, two) = (&fabric.agents[0], &fabric.agents[1]);
    let _nginx = Nginx::start(&fabric, one, 31001);
    let receiver = peers::receiver(&fabric, two, 31001);
    let apps = vec![
        App::bridge("/download")
            .vip("tcp", "/download:80")
            .task(one.address, 31001),
        App::bridge("/upload")
            .vip("tcp", "/upload:80")
            .task(two.address, 31001),
    ];
    let stage = Stage::of(fabric, apps);
    let client = &stage.fabric.clients[0];
    let from = stage.target("download.marathon", 80);
    let to = stage.target("upload.marathon", 80);
    let received = format!("{} {} {}\n", blob.sha256, blob.bytes, receiver.id);
    let copy = stage.fabric.scratch().join("copy");

    process::run(&mut download(client, from, &copy));
    assert_eq!(peers::sha256(&copy), blob.sha256);
    assert_eq!(process::run(&mut upload(client, &blob, to)), received);

    let copy = stage.fabric.scratch().join("second-copy");
    let logs = stage.fabric.logs();
    let mut down = Background::start("download", download(client, from, &copy), &logs);
    assert_eq!(process::run(&mut upload(client, &blob, to)), received);
    let ending = down.wait(std::time::Duration::from_secs(100));
    assert!(
        ending.is_some_and(|status| status.success()),
        "{}",
        down.log()
    );
    assert_eq!(peers::sha256(&copy), blob.sha256);
}
