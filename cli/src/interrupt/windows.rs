//! Ctrl-C of Windows.

use super::Signal;
use std::io;
use tokio::signal::windows::{CtrlC, ctrl_c};

pub(crate) struct Signals {
    interrupt: CtrlC,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()? })
    }

    pub(crate) async fn next(&mut self) -> Signal {
        self.interrupt.recv().await;
        Signal::Interrupt
    }
}
