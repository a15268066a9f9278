//! The way to the server is encrypted, and the server is who it says.

use std::path::Path;
use std::process::Command;

use crate::support::postgres::{Cluster, Database, PASSWORD};
use crate::support::{BINARY, Ended, World};

/// Authorities, and a certificate of the first for this machine's loopback address.
const CERTIFICATES: &str = r#"
for authority in right wrong; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$authority" \
    -keyout $authority.key -out $authority.pem
done
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key -out server.csr
echo subjectAltName=IP:127.0.0.1 >server.ext
openssl x509 -req -in server.csr -CA right.pem -CAkey right.key -CAcreateserial -days 1 -extfile server.ext -out server.crt
"#;

fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("sh")
        .args(["-ec", CERTIFICATES])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// Asks for a plan, with the address in the environment.
fn plan(world: &World, url: &str) -> Ended {
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace(&world.state_url(), "env:STATE_URL")).unwrap();
    let mut command = world.command(BINARY);
    command
        .args(["--log-format", "json", "plan", "--save"])
        .env("STATE_URL", url);
    let ended = world.spawn(command).end();
    assert!(!ended.log.contains(PASSWORD), "{}", ended.log);
    ended
}

fn verifying(url: &str, authority: &Path) -> String {
    format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display())
}

/// It is refused, with a word on what is wrong and what to do, and the cause beneath.
fn assert_refused(world: &World, url: &str, advice: &str, cause: &str) {
    let ended = plan(world, url);
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains(advice), "{}", ended.log);
    assert!(ended.log.contains(cause), "{}", ended.log);
}

#[test]
fn only_an_encrypted_connection_to_the_server_that_was_meant_is_used() {
    let certificates = certificates();
    let of = |name: &str| certificates.path().join(name);
    let world = World::untidy();
    let cluster = Cluster::new();
    cluster.serve_tls(&of("server.crt"), &of("server.key"));
    let database = Database::of(&cluster);
    let url = database.url_with_password();

    let distrust = "check that it offers TLS, that `sslrootcert` of `state.url` is the authority";
    let wrong = verifying(&url, &of("wrong.pem"));
    assert_refused(&world, &wrong, distrust, "UnknownIssuer");
    let elsewhere = verifying(&url.replace("127.0.0.1", "localhost"), &of("right.pem"));
    assert_refused(&world, &elsewhere, distrust, "not valid for name \"localhost\"");
    let missing = verifying(&url, &of("missing.pem"));
    assert_refused(
        &world,
        &missing,
        "missing.pem` cannot be created or read",
        "No such file",
    );
    let bare = Cluster::shared().database().url_with_password();
    let bare = format!("{bare}?sslmode=require");
    assert_refused(&world, &bare, distrust, "server does not support TLS");

    let ended = plan(&world, &verifying(&url, &of("right.pem")));
    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert_eq!(database.sql("SELECT COUNT(*) FROM plans"), "1");
}
