//! S3 and compatible services.

use super::http::Connector;
use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore};
use std::sync::Arc;

/// Returns the objects of a bucket, with credentials and endpoint from the environment.
pub(super) fn open(bucket: &str) -> Result<Arc<dyn ObjectStore>, String> {
    // Plain HTTP only if `AWS_ENDPOINT_URL` has it: for servers on the same machine or network.
    let plain = std::env::var("AWS_ENDPOINT_URL").is_ok_and(|url| url.starts_with("http://"));
    let options = ClientOptions::new().with_allow_http(plain);
    let builder = AmazonS3Builder::from_env().with_client_options(options);
    let store = builder.with_bucket_name(bucket).with_http_connector(Connector).build();
    store.map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| error.to_string())
}
