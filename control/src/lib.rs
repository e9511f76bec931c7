//! Viaduct's control plane: learns services, allocates VIPs, plans forwarding tables, answers DNS.

pub mod api;
pub mod check;
pub mod cli;
pub mod config;
pub mod desired;
pub mod dns;
pub mod exit;
pub mod host;
pub mod inspect;
pub mod metrics;
pub mod plan;
pub mod reconcile;
pub mod run;
pub mod settings;
pub mod sources;
pub mod status;
pub mod vip;
