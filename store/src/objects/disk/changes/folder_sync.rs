//! Folders whose names are made durable by a sync.

use std::fs::File;
use std::io;
use std::path::Path;

pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
