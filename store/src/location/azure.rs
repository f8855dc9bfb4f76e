//! Azure Blob Storage.

use super::http::Connector;
use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;
use std::sync::Arc;

/// Returns the objects of a bucket, with credentials and endpoint from the environment.
pub(super) fn open(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    let store =
        MicrosoftAzureBuilder::from_env().with_container_name(bucket).with_http_connector(Connector).build();
    store.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| error.to_string())
}
