//! A graph of one's own on the test server.

use sonograph::sources::falkordb::{Client, Params};

/// URL of the server that `scripts/test` starts.
pub fn url() -> String {
    ["SONOGRAPH_TEST_FALKORDB_URL", "SONOGRAPH_FALKORDB_URL"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .expect("SONOGRAPH_TEST_FALKORDB_URL is not set; scripts/test starts a server and sets it")
}

/// Runs `test` on a connection and the key of a graph nobody else uses, which is deleted afterwards.
pub fn with_graph<T>(name: &str, test: impl AsyncFnOnce(&mut Client, &str) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let key = format!("test_{name}_{}", std::process::id());
        let mut client = Client::connect(&url()).await.expect("the test server answers");
        if client.exists(&key).await.expect("the key can be looked at") {
            client.delete_graph(&key).await.expect("a left-over goes");
        }
        let result = test(&mut client, &key).await;
        if client.exists(&key).await.unwrap_or(false) {
            client.delete_graph(&key).await.expect("the test's graph goes");
        }
        result
    })
}

/// Runs queries without parameters.
pub async fn all(client: &mut Client, graph: &str, queries: &[&str]) {
    for query in queries {
        client.query(graph, query, &Params::new()).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
}
