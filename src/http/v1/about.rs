//! What a running pald knows about itself, apart from its registry.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use crate::probe::Overlap;

/// Where pald listens and keeps its files, and when it started.
#[derive(Debug, Clone)]
pub struct About {
    /// When it started to serve.
    pub started_at: Instant,
    /// The addresses on which it listens.
    pub addresses: Vec<SocketAddr>,
    /// The folder of the store.
    pub data_dir: PathBuf,
    /// The dump.
    pub dump_file: PathBuf,
    /// How the range overlaps the kernel's ephemeral range, if it does.
    pub overlap: Option<Overlap>,
}
