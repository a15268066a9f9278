//! The database goes away in the middle of it, and comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_simulator::{Fault, FaultKind, Release};

use crate::support::postgres::{Cluster, PASSWORD};
use crate::support::{APPLY, Attempt, Store, World, eventually};
use crate::{daemon, let_rules_be_missed};

/// What `/readyz` answers; `None`: nobody listens.
fn readyz(port: u16) -> Option<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    connection
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn says(port: u16, status: &str) -> bool {
    readyz(port).is_some_and(|answer| answer.starts_with(&format!("HTTP/1.1 {status}")))
}

#[test]
fn the_server_goes_down_in_a_change_and_comes_back() {
    // Not dropped: it ends with the process.
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::new()));
    let world = World::untidy_with(cluster.database());
    let before = world.account();
    let_rules_be_missed(&world);
    let change = Fault::new(FaultKind::Hold).on_mutations().after_effect();
    world.simulator.faults().add(change.times(1));
    let port = crate::support::postgres::free_port();
    let listen = format!("127.0.0.1:{port}");
    let running = daemon(&world, |command| {
        command.env("IAMWARDEN__SERVER__LISTEN", &listen);
    });
    let hold = world.held();
    eventually("not ready", || says(port, "200"));

    cluster.stop();
    world.simulator.holds().release(hold.id, Release::Continue);
    eventually("still ready", || says(port, "503"));
    let red = readyz(port).unwrap();
    assert!(red.contains("the database server does not answer"), "{red}");
    running.wait_until_it_says("run failed");
    assert_eq!(
        world.simulator.counts().mutations,
        1,
        "no change without an intent on disk"
    );

    cluster.start();
    eventually("still not ready", || says(port, "200"));
    eventually("what was made is not known", || {
        let attempts = world.attempts();
        attempts.len() == 1 && attempts[0].status == "applied"
    });
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    world.restart_until_settled();
    world.assert_tidy(&before);
}

#[test]
fn connections_that_are_cut_again_and_again_lose_and_double_nothing() {
    let world = World::untidy_in(Store::Server);
    let before = world.account();
    let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let slow = Fault::new(FaultKind::Hold).on_mutations();
    world.simulator.faults().add(slow);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // At every change all connections are cut while its call is under way.
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                for hold in world.simulator.holds().list() {
                    world.rows(cut);
                    world.simulator.holds().release(hold.id, Release::Continue);
                }
                std::thread::yield_now();
            }
        });
        let ended = world.run(&APPLY);
        stop.store(true, Ordering::Release);
        assert!(matches!(ended.code, Some(0 | 1 | 3 | 4)), "{ended:?}");
    });
    world.simulator.faults().clear();
    world.restart_until_settled();
    assert!(world.attempts().iter().all(|attempt| !Attempt::is_open(attempt)));
    world.assert_tidy(&before);
}

#[test]
fn a_password_that_is_rotated_in_the_middle_of_a_run_is_read_again() {
    let database = Cluster::shared().database();
    let user = format!("warden_of_{}", database.name);
    database.sql(&format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'first'"));
    let url = database.url_with_password();
    let url = |password: &str| url.replace(&format!("postgres:{PASSWORD}"), &format!("{user}:{password}"));
    let world = World::untidy_with(database);
    let before = world.account();
    let_rules_be_missed(&world);
    let secret = world.path("state-url");
    std::fs::write(&secret, url("first")).unwrap();
    world
        .simulator
        .faults()
        .add(Fault::new(FaultKind::Hold).on_mutations().times(1));
    let running = daemon(&world, |command| {
        command.env("IAMWARDEN__STATE__URL", format!("file:{}", secret.display()));
    });
    let hold = world.held();
    world.rows(&format!("ALTER ROLE {user} PASSWORD 'second'"));
    std::fs::write(&secret, url("second")).unwrap();
    world.rows(&format!(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{user}'"
    ));
    world.simulator.holds().release(hold.id, Release::Continue);
    running.wait_until_it_says("connecting with the one that its secret holds now");
    eventually("what was under way is not known", || {
        let attempts = world.attempts();
        !attempts.is_empty() && attempts.iter().all(|attempt| attempt.status == "applied")
    });
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(
        !ended.log.contains(":second@") && !ended.log.contains(":first@"),
        "{}",
        ended.log
    );
    world.restart_until_settled();
    world.assert_tidy(&before);
}
