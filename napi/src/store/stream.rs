//! Streams that JavaScript pulls.

use crate::failure::Failure;
use crate::runtime;
use chunker_store::StoreError;
use futures::stream::{BoxStream, Stream};
use futures::{FutureExt as _, StreamExt as _};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// A stream that is polled only while the next items are awaited.
pub(crate) struct Pulled<T> {
    stream: Arc<Mutex<Option<Pulling<T>>>>,
    closed: watch::Sender<bool>,
}

/// A stream, and the error that ended it after the items taken last.
struct Pulling<T> {
    stream: BoxStream<'static, Result<T, StoreError>>,
    error: Option<StoreError>,
}

impl<T: Send + 'static> Pulled<T> {
    pub(crate) fn new(stream: impl Stream<Item = Result<T, StoreError>> + Send + 'static) -> Self {
        let pulling = Pulling { stream: stream.boxed(), error: None };
        Self { stream: Arc::new(Mutex::new(Some(pulling))), closed: watch::Sender::new(false) }
    }

    /// Waits for the next items, and returns those that are ready, up to `enough`; none at the end.
    pub(crate) fn next(
        &self,
        enough: fn(&[T]) -> bool,
    ) -> impl Future<Output = Result<Vec<T>, Failure>> + Send + 'static {
        let (stream, mut closed) = (Arc::clone(&self.stream), self.closed.subscribe());
        async move {
            let mut stream = stream.lock().await;
            let pulling = stream.as_mut().ok_or(Failure::CLOSED)?;
            tokio::select! {
                items = pulling.next(enough) => Ok(items?),
                Ok(_) = closed.wait_for(|closed| *closed) => Err(Failure::CLOSED),
            }
        }
    }

    /// Drops the stream, even while the next items are awaited.
    pub(crate) fn close(&self) -> Result<(), Failure> {
        self.closed.send_replace(true);
        let stream = Arc::clone(&self.stream);
        drop(runtime::handle()?.spawn(async move { *stream.lock().await = None }));
        Ok(())
    }
}

impl<T> Pulling<T> {
    async fn next(&mut self, enough: fn(&[T]) -> bool) -> Result<Vec<T>, StoreError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut items = Vec::new();
        let mut next = self.stream.next().await;
        while let Some(item) = next {
            match item {
                Ok(item) => items.push(item),
                Err(error) if items.is_empty() => return Err(error),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
            if enough(&items) {
                break;
            }
            match self.stream.next().now_or_never() {
                Some(ready) => next = ready,
                None => break,
            }
        }
        Ok(items)
    }
}
