//! What a server's own files and listeners tell: version, cluster, role, ports, console, and where its probe goes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::super::home::{Home, View};
use super::super::sockets::Socket;
use super::Inventory;
use super::known::Known;
use super::probe::Target;
use super::scan::Class;
use crate::packs::{self, Look, Pack, PortSource};

/// Files are read again that often while the process stays.
const LOOK_EVERY_NS: u64 = 600_000_000_000;

/// Reads what the pack names, when it is time.
pub fn look(
    known: &mut Known,
    pack: &Pack,
    class: &Class,
    process: &Path,
    root: &Path,
    now_ns: u64,
) {
    let is_fresh = known
        .looked_ns
        .is_some_and(|at| now_ns.saturating_sub(at) < LOOK_EVERY_NS);
    if is_fresh {
        return;
    }
    known.looked_ns = Some(now_ns);
    let view = View { process, root };
    let mut look = Home::open(&view, class.home.as_deref(), &class.command_line);
    known.product.clone_from(&pack.product);
    known.version = packs::find(&pack.version, &mut look);
    known.cluster = packs::find(&pack.cluster, &mut look);
    known.role = packs::find(&pack.role, &mut look);
    known.sub_domain = packs::find(&pack.sub_domain, &mut look);
    known.port_offset = class.offset;
    if let Some(label) = packs::find(&pack.label, &mut look) {
        known.name = label;
    }
    known.console_host = pack
        .console
        .as_ref()
        .and_then(|console| packs::find(&console.host, &mut look));
    known.named_ports = pack
        .ports
        .iter()
        .map(|(name, sources)| (name.clone(), named_port(sources, class.offset, &mut look)))
        .collect();
}

/// `None` when only its listeners tell.
fn named_port(sources: &[PortSource], offset: Option<u32>, look: &mut dyn Look) -> Option<u16> {
    for source in sources {
        match source {
            PortSource::Fixed(port) => {
                let port = u32::from(*port).saturating_add(offset.unwrap_or(0));
                return u16::try_from(port).ok();
            }
            PortSource::Found(source) => {
                let port = packs::find_one(source, look).and_then(|text| text.parse::<u16>().ok());
                if let Some(port) = port.filter(|port| *port > 0) {
                    return Some(port);
                }
            }
            PortSource::Listening => return None,
        }
    }
    None
}

impl Inventory {
    /// Puts ports into console addresses, and finds out which probes have somebody who listens.
    pub(super) fn resolve_ports(&mut self) {
        for known in self.known.values_mut() {
            let Some(pack) = self
                .packs
                .in_force
                .iter()
                .find(|pack| pack.name == known.pack)
            else {
                continue;
            };
            if known.main.is_none() {
                continue;
            }
            let listening = &self.listening;
            let port_of = |name: &str| match known.named_ports.get(name) {
                Some(Some(port)) => Some(*port),
                Some(None) => lowest(listening, &known.key),
                None => None,
            };
            if let Some(console) = &pack.console {
                let port = console.port.as_deref().map(port_of);
                known.console_url = match port {
                    // Not known yet: what was known before stays.
                    Some(None) => known.console_url.take(),
                    port => {
                        let host = known.console_host.as_deref().unwrap_or(&self.host_name);
                        let port = port
                            .flatten()
                            .map_or(String::new(), |port| port.to_string());
                        Some(console.url.replace("{host}", host).replace("{port}", &port))
                    }
                };
            }
            // A port at which nobody ever listened is not this product's: newer ones leave out old ports.
            let probed = pack.probe.as_ref().and_then(|probe| port_of(&probe.port));
            if let Some(port) = probed
                && address(listening, &known.key, port).is_some()
            {
                known.probed_port = Some(port);
            }
        }
    }

    /// What is asked in one round.
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for known in self.known.values() {
            let pack = self
                .packs
                .in_force
                .iter()
                .find(|pack| pack.name == known.pack);
            let (Some(probe), Some(port), Some(_)) = (
                pack.and_then(|pack| pack.probe.as_ref()),
                known.probed_port,
                &known.main,
            ) else {
                continue;
            };
            let address = address(&self.listening, &known.key, port)
                .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            targets.push(Target {
                key: known.key.to_string(),
                address: SocketAddr::new(address, port),
                probe: probe.clone(),
            });
        }
        targets
    }
}

/// The lowest port of the server that is not for this host alone, else its lowest.
fn lowest(listening: &[(Socket, Option<std::rc::Rc<str>>)], key: &str) -> Option<u16> {
    listening
        .iter()
        .filter(|(_, server)| server.as_deref() == Some(key))
        .map(|(socket, _)| (socket.address.is_loopback(), socket.port))
        .min()
        .map(|(_, port)| port)
}

/// An address of this host at which the server listens, or somebody unknown who may be it.
fn address(
    listening: &[(Socket, Option<std::rc::Rc<str>>)],
    key: &str,
    port: u16,
) -> Option<IpAddr> {
    listening
        .iter()
        .filter(|(socket, server)| {
            socket.port == port && server.as_deref().is_none_or(|server| server == key)
        })
        .map(|(socket, server)| {
            (
                server.is_none(),
                !socket.address.is_loopback(),
                socket.address,
            )
        })
        .min()
        .map(|(.., address)| match address {
            IpAddr::V4(any) if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            // One for any IPv6 address usually takes IPv4 as well, but need not.
            IpAddr::V6(any) if any.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        })
}
