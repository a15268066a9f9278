//! A PostgreSQL server of the test process's own, in a temporary folder.
//!
//! It lives as long as the process that started it: a shell beside it waits for the end of a pipe, and takes the server
//! and its folder away when the pipe closes, however the process ended.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and not every test uses all of it"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// Of the user that tests connect as over TCP; locally nobody is asked for one.
pub const PASSWORD: &str = "canary-of-the-database";

/// Starts the server, says so, and waits. `keep` leaves the folder for another start.
const WATCH: &str = r#"
trap "" INT TERM HUP
bin=$1 folder=$2 port=$3
"$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" -o "-p $port -k $folder -c listen_addresses=127.0.0.1 \
  -c fsync=off -c full_page_writes=off -c max_connections=200 -c autovacuum=off" start >"$folder/start" 2>&1 || exit 1
echo started
read -r word
"$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1
[ "$word" = keep ] || rm -rf "$folder"
"#;

/// A server with its data.
#[derive(Debug)]
pub struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
    watch: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Cluster {
    /// The one of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// One that may be stopped and started without harm to others.
    pub fn new() -> Self {
        let bin = binaries();
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap().keep();
        hand_over(&folder);
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        hand_over(&password);
        let initdb = as_postgres(&bin.join("initdb"))
            .args(["--no-sync", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(
            initdb.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&initdb.stderr)
        );
        let cluster = Self {
            bin,
            folder,
            port: free_port(),
            watch: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        cluster.start();
        cluster
    }

    /// Starts the server after [`Cluster::stop`].
    pub fn start(&self) {
        let mut watch = as_postgres(Path::new("sh"))
            .args(["-c", WATCH, "sh"])
            .arg(&self.bin)
            .arg(&self.folder)
            .arg(self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut out = BufReader::new(watch.stdout.take().unwrap());
        out.read_line(&mut said).unwrap();
        let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert_eq!(said, "started\n", "PostgreSQL does not start: {}", log());
        *self.watch.lock().unwrap() = Some(watch);
    }

    /// Stops the server at once, as a crash would; its data stay.
    pub fn stop(&self) {
        self.end("keep\n");
    }

    fn end(&self, word: &str) {
        if let Some(mut watch) = self.watch.lock().unwrap().take() {
            let mut pipe = watch.stdin.take().unwrap();
            pipe.write_all(word.as_bytes()).unwrap();
            drop(pipe);
            watch.wait().unwrap();
        }
    }

    /// Offers TLS with this certificate from now on, and lets nobody in over TCP without.
    pub fn serve_tls(&self, certificate: &Path, key: &Path) {
        use std::os::unix::fs::PermissionsExt as _;

        let data = self.folder.join("data");
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = data.join(name);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            hand_over(&to);
        }
        let access = "local all all trust\nhostssl all all all scram-sha-256\n";
        std::fs::write(data.join("pg_hba.conf"), access).unwrap();
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.stop();
        self.start();
    }

    /// A new, empty database.
    pub fn database(&'static self) -> Database<'static> {
        Database::of(self)
    }

    /// Runs SQL as the server's owner, and gives the columns of its rows, a line each, with tabs between.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let done = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-F", "\t", "-U", "postgres"])
            .args(["-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(done.status.success(), "{sql}: {err}");
        out.trim_end().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end("remove\n");
    }
}

/// A database of a server.
#[derive(Debug)]
pub struct Database<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub name: String,
}

impl<'a> Database<'a> {
    /// A new, empty one.
    pub fn of(cluster: &'a Cluster) -> Self {
        let name = format!("state_{}", cluster.databases.fetch_add(1, Ordering::Relaxed));
        cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
        Self { cluster, name }
    }

    /// Its address, by the socket, where no password is asked for.
    pub fn url(&self) -> String {
        let (folder, port) = (self.cluster.folder.display(), self.cluster.port);
        format!(
            "postgres:///{}?user=postgres&host={folder}&port={port}",
            self.name
        )
    }

    /// The server's socket, for whoever stands in between.
    pub fn socket(&self) -> PathBuf {
        let name = format!(".s.PGSQL.{}", self.cluster.port);
        self.cluster.folder.join(name)
    }

    /// Its address over TCP, with the password.
    pub fn url_with_password(&self) -> String {
        let (port, name) = (self.cluster.port, &self.name);
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{name}")
    }

    /// Runs SQL by other means than the program does.
    pub fn sql(&self, sql: &str) -> String {
        self.cluster.sql(&self.name, sql)
    }

    /// The same, as rows of columns.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let rows = self.sql(sql);
        rows.lines()
            .map(|line| line.split('\t').map(ToOwned::to_owned).collect())
            .collect()
    }
}

/// PostgreSQL does not run as root.
fn as_postgres(program: &Path) -> Command {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Command::new(program);
    }
    let (user, group) = postgres_user();
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={user}"), format!("--regid={group}")])
        .args(["--clear-groups", "--"])
        .arg(program)
        .current_dir("/");
    command
}

fn hand_over(path: &Path) {
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let (user, group) = postgres_user();
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

fn postgres_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<_> = line.expect("a user `postgres`").split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

/// Debian keeps them out of the way, by version.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .max();
    if let Some((_, folder)) = newest {
        return folder.join("bin");
    }
    let asked = Command::new("pg_config").arg("--bindir").output();
    let asked = asked.expect("PostgreSQL is not installed: `apt-get install postgresql`");
    PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim())
}

/// A port that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
