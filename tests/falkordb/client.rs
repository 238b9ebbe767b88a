//! What goes wrong is said so that a person knows what to do.

use sonograph::context::{Diagnose, Fault};
use sonograph::sources::falkordb::{Client, FalkorError, Params};

use crate::graph::{all, url, with_graph};

async fn refused(url: &str) -> FalkorError {
    Client::connect(url).await.expect_err("no connection")
}

fn said(error: &FalkorError) -> String {
    assert!(error.hint().is_some(), "{error} has no hint");
    error.to_string()
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let error = refused(&format!("redis://:secret@127.0.0.1:{port}")).await;
    assert!(matches!(error, FalkorError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.fault(), Fault::Environment);
    let text = format!("{} {error:?}", said(&error));
    assert!(text.contains(&format!("127.0.0.1:{port}")) && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_web_server_is_told_from_a_redis_by_its_address() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let web = std::thread::spawn(move || {
        let (mut guest, _) = listener.accept().expect("a guest");
        let _ = guest.read(&mut [0; 1024]);
        guest.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").expect("answered");
    });
    let error = refused(&format!("redis://:secret@127.0.0.1:{port}")).await;
    web.join().expect("the guest is gone");
    assert!(matches!(error, FalkorError::NotRedis { .. }), "{error:?}");
    let text = said(&error);
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("Redis protocol"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_called_that_and_not_shown() {
    let mut wrong = url::Url::parse(&url()).expect("a url");
    wrong.set_password(Some("wrongsecret")).expect("a url with a host takes a password");
    let error = refused(wrong.as_str()).await;
    assert!(matches!(error, FalkorError::Password { .. }), "{error:?}");
    let text = format!("{} {error:?}", said(&error));
    assert!(!text.contains("wrongsecret"), "{text}");
}

#[tokio::test]
async fn an_address_that_is_none_is_the_users_input() {
    for address in ["redis//x", "http://127.0.0.1:1", ""] {
        let error = refused(address).await;
        assert!(matches!(error, FalkorError::Url { .. }), "{address}: {error:?}");
        assert_eq!(error.fault(), Fault::Input);
    }
}

#[test]
fn reading_a_graph_that_is_not_there_makes_none() {
    with_graph("missing", async |client, graph| {
        let error = client.ro_query(graph, "MATCH (n) RETURN n", &Params::new()).await.expect_err("no graph");
        assert!(matches!(&error, FalkorError::NoGraph { graph: named, .. } if named == graph), "{error:?}");
        assert!(!client.exists(graph).await.expect("a look"));
        assert!(!client.graphs().await.expect("a list").iter().any(|key| key == graph));
    });
}

#[test]
fn a_query_that_fails_says_what_the_server_says() {
    with_graph("fails", async |client, graph| {
        all(client, graph, &["CREATE (:A {uid:'a'})"]).await;
        let error = client.ro_query(graph, "RETURN nope(1)", &Params::new()).await.expect_err("no function");
        assert!(error.to_string().contains("nope"), "{error}");
        let error = client.ro_query(graph, "CREATE (:A)", &Params::new()).await.expect_err("no writing");
        assert!(error.to_string().contains("read-only"), "{error}");
    });
}

#[test]
fn what_the_user_may_not_do_is_called_that() {
    with_graph("rights", async |client, graph| {
        all(client, graph, &["CREATE (:A {uid:'a'})"]).await;
        let user = format!("reader_{}", std::process::id());
        let admin = redis::Client::open(url()).expect("a url");
        let mut admin = admin.get_multiplexed_async_connection().await.expect("an administrator");
        let () = redis::cmd("ACL")
            .arg(&["SETUSER", &user, "on", ">pw", &format!("~{graph}"), "-@all", "+graph.ro_query"])
            .query_async(&mut admin)
            .await
            .expect("a reader");
        let mut theirs = url::Url::parse(&url()).expect("a url");
        theirs.set_username(&user).expect("a user");
        theirs.set_password(Some("pw")).expect("a password");
        let mut reader =
            Client::connect(theirs.as_str()).await.expect("a reader connects without MODULE LIST");
        assert_eq!(reader.version(), None);
        assert_eq!(
            reader.ro_query(graph, "MATCH (n) RETURN count(n)", &Params::new()).await.expect("reads").count(),
            Some(1)
        );
        let write = reader.query(graph, "CREATE (:A)", &Params::new()).await.expect_err("may not write");
        let other = reader.ro_query("another", "RETURN 1", &Params::new()).await.expect_err("may not look");
        for error in [&write, &other] {
            assert!(matches!(error, FalkorError::Forbidden { .. }), "{error:?}");
            said(error);
        }
        let () = redis::cmd("ACL").arg(&["DELUSER", &user]).query_async(&mut admin).await.expect("goes");
    });
}
