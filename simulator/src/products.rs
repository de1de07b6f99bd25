//! What the servers of each pack look like on a host.

use crate::scenario::{Cluster, Pack};

/// A kind of server.
#[derive(Debug, Clone, PartialEq)]
pub struct Product<'a> {
    /// For people.
    pub label: &'a str,
    /// Service of systemd.
    pub unit: &'a str,
    /// The kernel's name of its process.
    pub process: &'a str,
    /// Folder it runs from.
    pub home: Option<&'a str>,
    /// What its health probe asks for, where it has one.
    pub probe: Option<&'a str>,
    /// Its own console.
    pub console: Option<&'a str>,
    /// Threads without load.
    pub threads: u32,
    /// Processes.
    pub processes: u32,
    /// Share of the used memory that is its own.
    pub memory_share: f64,
}

/// The usual server of a cluster's pack, as the cluster has it.
pub fn product(cluster: &Cluster) -> Product<'_> {
    let usual = match cluster.pack {
        Pack::Carbon => Product {
            label: "WSO2 Carbon",
            unit: "wso2.service",
            process: "java",
            home: Some("/opt/wso2/server"),
            probe: Some("/carbon/admin/login.jsp"),
            console: Some("/carbon"),
            threads: 260,
            processes: 1,
            memory_share: 0.7,
        },
        Pack::Tomcat => Product {
            label: "Apache Tomcat",
            unit: "tomcat10.service",
            process: "java",
            home: Some("/var/lib/tomcat10"),
            probe: Some("/"),
            console: None,
            threads: 60,
            processes: 1,
            memory_share: 0.6,
        },
        Pack::Nginx => Product {
            label: "nginx",
            unit: "nginx.service",
            process: "nginx",
            home: Some("/etc/nginx"),
            probe: Some("/"),
            console: None,
            threads: 5,
            processes: 5,
            memory_share: 0.1,
        },
        Pack::Postgresql => Product {
            label: "PostgreSQL",
            unit: "postgresql@16-main.service",
            process: "postgres",
            home: Some("/var/lib/postgresql/16/main"),
            probe: None,
            console: None,
            threads: 8,
            processes: 8,
            memory_share: 0.75,
        },
        Pack::Systemd => Product {
            label: "",
            unit: "",
            process: "server",
            home: None,
            probe: None,
            console: None,
            threads: 24,
            processes: 1,
            memory_share: 0.5,
        },
    };
    Product {
        label: cluster.product.as_deref().unwrap_or(usual.label),
        unit: cluster.unit.as_deref().unwrap_or(usual.unit),
        process: cluster.process.as_deref().unwrap_or(usual.process),
        ..usual
    }
}

impl Product<'_> {
    /// Tells the server apart on its host, and stays over restarts and deploys.
    pub fn key(&self, pack: Pack) -> String {
        format!("{}:{}", pack.as_str(), self.home.unwrap_or(self.unit))
    }
}
