//! Devices that DPDK refuses: the error says what to do.

mod support;

use dataplane::dpdk::{Eal, Mempool, Port, PortSpec};
use support::{alone, open, pool, spec, start, veth};

fn refusal(eal: &Eal, wanted: &PortSpec, pool: &Mempool) -> String {
    let refused = Port::open(eal, wanted, pool);
    refused.expect_err("must be refused").to_string()
}

#[test]
fn devices_that_cannot_be_made_say_what_to_do() {
    alone("devices_that_cannot_be_made_say_what_to_do", || {
        veth();
        let cases = [
            ("net_af_xdp0,iface=left,queue_count=2", "workers.cores"),
            ("net_af_xdp1,iface=nope", "no such network interface"),
            ("net_af_packet2,iface=nope", "no such network interface"),
            ("net_pcap0,rx_pcap=/nope", "check the path"),
            ("net_pcap1,iface=nope", "no such network interface"),
            (
                "net_virtio_user0,path=/nope.sock",
                "start the backend first",
            ),
            ("net_virtio_user1,path=/dev/vhost-net", "modprobe vhost_net"),
            (
                "net_memif0,role=client,socket-abstract=no,socket=/nope/s",
                "create it",
            ),
        ];
        let eal = start(&cases.map(|(device, _)| device));
        let pool = pool(&eal);
        for (device, advice) in cases {
            let text = refusal(&eal, &spec(device, 1), &pool);
            assert!(text.contains(advice), "{text}");
        }
    });
}

#[test]
fn af_xdp_says_why_it_cannot_have_a_queue() {
    alone("af_xdp_says_why_it_cannot_have_a_queue", || {
        veth();
        let devices = [
            "net_af_xdp0,iface=left",
            "net_af_xdp1,iface=left",
            "net_af_xdp2,iface=right",
        ];
        let eal = start(&devices);
        let small = Mempool::new(&eal, "small", 2047, 64, 2176, None).expect("a pool");
        let pool = Mempool::new(&eal, "more", 8191, 64, 2176, None).expect("a pool");
        let first = open(&eal, devices[0], 1, &pool);
        let text = refusal(&eal, &spec(devices[1], 1), &pool);
        assert!(text.contains("no other AF_XDP program"), "{text}");
        drop(first);
        let jumbo = Mempool::new(&eal, "jumbo", 4095, 64, 9344, None).expect("a pool");
        let text = refusal(&eal, &spec(devices[2], 1), &jumbo);
        assert!(
            text.contains("at most 4096 bytes") && text.contains("lower that to 3430"),
            "{text}"
        );
        let text = refusal(&eal, &spec(devices[2], 1), &small);
        assert!(
            text.contains("need 2048 packet buffers") && text.contains("memory.mbufs"),
            "{text}"
        );
    });
}
