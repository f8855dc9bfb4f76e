//! `chunker rm`: removes files.

use crate::args::{Global, Rm};
use crate::failure::Failure;
use crate::interrupt;
use crate::session::Session;
use chunker_store::StoreError;

pub(crate) fn run(global: &Global, options: &Rm) -> Result<(), Failure> {
    let session = Session::open_existing(global)?;
    // Looks all roots up before it removes any: a mistake in one removes none.
    let roots: Vec<_> = options.roots.iter().map(|root| root.resolve(&session)).collect::<Result<_, _>>()?;
    for root in roots {
        interrupt::check()?;
        if !session.wait(session.store.delete(&root))? {
            return Err(StoreError::RootNotFound { root }.into());
        }
        let json = serde_json::json!({ "root": root.to_string(), "removed": true });
        session.output.print_aside(&json, format_args!("removed {root}"))?;
    }
    Ok(())
}
