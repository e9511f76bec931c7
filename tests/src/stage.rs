//! The stage of most scenarios: a fabric, a Marathon that runs apps on its agents, and a ready Viaduct.

use std::net::SocketAddr;

use crate::attachment::Attachment;
use crate::dns::{self, ZONE};
use crate::eventually::eventually;
use crate::fabric::Fabric;
use crate::marathon::{App, Marathon, Scenario};
use crate::nginx::Nginx;
use crate::settings::Settings;
use crate::viaduct::Viaduct;

/// The app that [`Stage::web`] runs.
pub const WEB: &str = "/my-service";
/// Its name in DNS, without the zone.
pub const WEB_NAME: &str = "my-service.marathon";
/// Port of its VIP.
pub const WEB_PORT: u16 = 5555;
/// Host port of its tasks.
pub const TASK_PORT: u16 = 31001;

/// Everything is ended in the order of the fields.
#[derive(Debug)]
pub struct Stage {
    /// The running Viaduct.
    pub viaduct: Viaduct,
    /// The running stand-in.
    pub marathon: Marathon,
    /// The tasks of the app, one on each agent.
    pub servers: Vec<Nginx>,
    /// The network.
    pub fabric: Fabric,
}

impl Stage {
    /// One client, so many agents with an nginx on each, and [`WEB`] with its tasks on the first
    /// `tasks` of them.
    #[must_use]
    pub fn web(agents: u8, tasks: usize) -> Self {
        Self::web_with(agents, tasks, |settings| settings)
    }

    /// The same with changed settings.
    #[must_use]
    pub fn web_with(agents: u8, tasks: usize, change: impl FnOnce(Settings) -> Settings) -> Self {
        Self::web_on(Fabric::new(1, agents), tasks, change)
    }

    /// [`Stage::web`] with Viaduct attached like this.
    #[must_use]
    pub fn web_over(attachment: Attachment, agents: u8, tasks: usize) -> Self {
        let fabric = Fabric::with(attachment, 1, agents);
        Self::web_on(fabric, tasks, |settings| settings)
    }

    /// [`Stage::web`] on a fabric with one client at least, and changed settings.
    #[must_use]
    pub fn web_on(fabric: Fabric, tasks: usize, change: impl FnOnce(Settings) -> Settings) -> Self {
        let servers = fabric
            .agents
            .iter()
            .map(|agent| Nginx::start(&fabric, agent, TASK_PORT));
        let servers = servers.collect();
        let mut app = App::bridge(WEB).vip("tcp", &format!("{WEB}:{WEB_PORT}"));
        for agent in &fabric.agents[..tasks] {
            app.add_task(agent.address, TASK_PORT);
        }
        let (marathon, viaduct) = start(&fabric, vec![app], change);
        viaduct.wait_for_backends("tcp", WEB_PORT, tasks);
        Self {
            viaduct,
            marathon,
            servers,
            fabric,
        }
    }

    /// A stage with these apps, whose tasks the scenario has started on the fabric.
    #[must_use]
    pub fn of(fabric: Fabric, apps: Vec<App>) -> Self {
        let (marathon, viaduct) = start(&fabric, apps, |settings| settings);
        Self {
            viaduct,
            marathon,
            servers: Vec::new(),
            fabric,
        }
    }

    /// Address of a name's VIP with a port, as the first client's DNS gives it.
    ///
    /// # Panics
    /// The name does not come to resolve to exactly one address.
    #[must_use]
    pub fn target(&self, name: &str, port: u16) -> SocketAddr {
        let name = format!("{name}.{ZONE}");
        let address = eventually(&name, || {
            let answer = dns::ask(&self.fabric.clients[0], &name, "A", &[])?;
            match answer.addresses()[..] {
                [address] => Ok(address),
                _ => Err(format!("{answer:?}")),
            }
        });
        (address, port).into()
    }

    /// [`Stage::target`] of the app [`WEB`].
    #[must_use]
    pub fn web_target(&self) -> SocketAddr {
        self.target(WEB_NAME, WEB_PORT)
    }
}

fn start(
    fabric: &Fabric,
    apps: Vec<App>,
    change: impl FnOnce(Settings) -> Settings,
) -> (Marathon, Viaduct) {
    let marathon = Marathon::start(fabric, Scenario::of(apps));
    let settings = change(Settings::default().marathon(&marathon.url()));
    let viaduct = Viaduct::start(fabric, settings);
    (marathon, viaduct)
}
