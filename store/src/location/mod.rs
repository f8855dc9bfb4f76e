//! Addresses of stores.

#[cfg_attr(not(feature = "aws"), path = "no_aws.rs")]
mod aws;
#[cfg_attr(not(feature = "azure"), path = "no_azure.rs")]
mod azure;
#[cfg_attr(not(feature = "gcp"), path = "no_gcp.rs")]
mod gcp;
#[cfg(feature = "http")]
mod http;

use crate::error::StoreError;
use crate::format::FormatError;
use crate::host::Host;
use crate::objects::disk::Disk;
use crate::objects::remote::Remote;
use crate::objects::{ObjectError, Objects, Operation};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Folder(PathBuf),
    Remote { url: Url, service: Service, bucket: String, prefix: Path },
}

/// The service that holds remote objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Memory,
    Aws,
    Gcp,
    Azure,
}

/// The in-memory stores of this process, by name.
static MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

impl Location {
    pub(crate) fn parse(address: &str) -> Result<Self, StoreError> {
        let invalid = |reason: String| FormatError::Address { url: address.to_owned(), reason };
        if address.is_empty() {
            return Err(invalid("it is empty".to_owned()).into());
        }
        // On Windows, a path can start with a letter and a colon.
        let scheme = address.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| scheme.len() > 1);
        let Some(scheme) = scheme else { return Ok(Self::Folder(address.into())) };
        let service = match scheme {
            "file" => {
                let url = Url::parse(address).map_err(|error| invalid(error.to_string()))?;
                let path = url.to_file_path();
                return path
                    .map(Self::Folder)
                    .map_err(|()| invalid("it has no absolute path".to_owned()).into());
            }
            "memory" => Service::Memory,
            "s3" => Service::Aws,
            "gs" => Service::Gcp,
            "az" => Service::Azure,
            _ => {
                let reason = "unknown scheme (expected file, memory, s3, gs or az)";
                return Err(invalid(reason.to_owned()).into());
            }
        };
        let url = Url::parse(address).map_err(|error| invalid(error.to_string()))?;
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() && service != Service::Memory {
            return Err(invalid("it names no bucket".to_owned()).into());
        }
        let prefix = Path::from_url_path(url.path()).map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Remote { url, service, bucket, prefix })
    }

    pub(crate) fn open(self, host: &Arc<dyn Host>) -> Result<Arc<dyn Objects>, StoreError> {
        let (url, service, bucket, prefix) = match self {
            Self::Folder(path) => {
                let disk = Disk::new(&path, Arc::clone(host));
                let failed =
                    |error| ObjectError::from_io(Operation::List, &path.display().to_string(), error);
                return Ok(Arc::new(disk.map_err(failed)?));
            }
            Self::Remote { url, service, bucket, prefix } => (url, service, bucket, prefix),
        };
        let opened: Result<Arc<dyn ObjectStore>, String> = match service {
            Service::Memory => {
                let mut stores = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Arc::clone(stores.entry(bucket).or_default()) as Arc<dyn ObjectStore>)
            }
            Service::Aws => aws::open(&bucket),
            Service::Gcp => gcp::open(&bucket),
            Service::Azure => azure::open(&bucket),
        };
        let store = opened.map_err(|reason| FormatError::Address { url: url.to_string(), reason })?;
        Ok(Arc::new(Remote::new(store, prefix, url.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_one_place() {
        let folder = |path: &str| Location::Folder(path.into());
        for (address, expected) in [
            ("store", folder("store")),
            ("/var/store", folder("/var/store")),
            ("./s3", folder("./s3")),
            ("C:/store", folder("C:/store")),
            ("file:///var/my%20store", folder("/var/my store")),
        ] {
            assert_eq!(Location::parse(address).unwrap(), expected, "{address}");
        }
        for (address, service, bucket, prefix) in [
            ("s3://bucket/a/b", Service::Aws, "bucket", "a/b"),
            ("s3://bucket", Service::Aws, "bucket", ""),
            ("gs://bucket/a/", Service::Gcp, "bucket", "a"),
            ("az://container/a", Service::Azure, "container", "a"),
            ("memory://", Service::Memory, "", ""),
            ("memory://name", Service::Memory, "name", ""),
        ] {
            let Location::Remote { service: found, bucket: in_bucket, prefix: under, .. } =
                Location::parse(address).unwrap()
            else {
                panic!("{address} is a folder");
            };
            assert_eq!((found, in_bucket.as_str(), under.as_ref()), (service, bucket, prefix), "{address}");
        }
        for invalid in ["", "s3://", "http://host/store", "sftp://host/", "file://relative/store"] {
            let error = Location::parse(invalid).unwrap_err();
            assert_eq!(error.code(), "invalid_store_address", "{invalid}");
        }
    }
}
