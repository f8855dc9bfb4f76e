//! A store does what a map from names to bytes would do, whatever is asked of it in whatever order.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use chunker::hashing::HashAlgorithm;
use chunker_store::{CacheFolder, CheckOptions, CollectOptions, Root, Store, StoreOptions};
use common::{Folder, file, put, read};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Put { seed: u64, length: usize },
    Delete { which: usize },
    Collect { max_waste: u8 },
    Read { which: usize, from: usize, length: usize },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u64, 0..120_000usize).prop_map(|(seed, length)| Step::Put { seed, length }),
        2 => any::<usize>().prop_map(|which| Step::Delete { which }),
        2 => (0..=100u8).prop_map(|max_waste| Step::Collect { max_waste }),
        4 => (any::<usize>(), any::<usize>(), any::<usize>())
            .prop_map(|(which, from, length)| Step::Read { which, from, length }),
        1 => Just(Step::Reopen),
    ]
}

async fn run(steps: Vec<Step>) {
    let folder = Folder::new();
    let path = folder.path().join("store");
    let options = || {
        let cache = CacheFolder::At(folder.path().join("cache"));
        StoreOptions::new().pack_size(32 << 10).level(1).cache(cache)
    };
    let open = async || Store::open(path.to_str().unwrap(), options()).await.unwrap();
    let mut store = open().await;
    let mut model: BTreeMap<Root, Vec<u8>> = BTreeMap::new();
    let nth =
        |model: &BTreeMap<Root, Vec<u8>>, which: usize| model.keys().nth(which % model.len().max(1)).copied();
    for step in steps {
        match step {
            Step::Put { seed, length } => {
                let algorithm = HashAlgorithm::ALL[usize::try_from(seed % 2).unwrap()];
                let data = file(length, seed);
                model.insert(put(&store, &data, algorithm).await, data);
            }
            Step::Delete { which } => {
                if let Some(root) = nth(&model, which) {
                    model.remove(&root);
                    assert!(store.delete(&root).await.unwrap());
                    assert_eq!(read(&store, &root, None).await.unwrap_err().code(), "root_not_found");
                }
            }
            Step::Collect { max_waste } => {
                let options = CollectOptions::new().min_age(Duration::ZERO).max_waste(max_waste);
                let report = store.collect(options).await.unwrap();
                assert_eq!(report.kept_packs, []);
            }
            Step::Read { which, from, length } => {
                if let Some(root) = nth(&model, which) {
                    let data = &model[&root];
                    let from = from % (data.len() + 1);
                    let to = from + length % (data.len() - from + 1);
                    let found = read(&store, &root, Some(from as u64..to as u64)).await.unwrap();
                    assert_eq!(found, data[from..to]);
                }
            }
            Step::Reopen => store = open().await,
        }
    }
    for (root, data) in &model {
        assert_eq!(read(&store, root, None).await.unwrap(), *data);
    }
    assert_eq!(store.usage().await.unwrap().files, model.len() as u64);
    assert!(store.check(CheckOptions::new().read_data(true)).await.unwrap().is_sound());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map(steps in prop::collection::vec(step(), 1..24)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}
