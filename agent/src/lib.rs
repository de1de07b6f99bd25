//! `oc-agent`: the program on a host. It observes and reports; it listens on no port, starts no program but
//! `systemctl show`, and changes nothing outside its state folder ([`install`] apart, which a person calls).
//!
//! One thread: sample on the boot clock's grid ([`schedule`]), number and keep the record ([`identity`], [`spool`]),
//! send what is unacknowledged over one kept connection ([`session`], [`client`]). An acknowledgement counts only when
//! its authentication code holds. Files under /proc stay open and are read again in place ([`collect`]). What servers
//! are is said by declarative files ([`packs`]); only their health probes have threads of their own.
//!
//! It deliberately has no async runtime, no shell and no opinion about what the numbers mean.

pub mod cli;
pub mod client;
pub mod clock;
pub mod collect;
pub mod config;
pub mod doctor;
pub mod enroll;
pub mod exit;
pub mod identity;
pub mod install;
pub mod lists;
pub mod log;
pub mod outbox;
pub mod packs;
pub mod policy;
pub mod random;
pub mod refusal;
pub mod run;
pub mod schedule;
pub mod session;
pub mod signals;
pub mod spool;
pub mod status;
pub mod url;
