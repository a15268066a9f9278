//! A client that speaks the wire protocols by hand, so that tests see every byte.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs
)]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aws_simulator::{Seed, Server, Simulator};
use base64::Engine;
use serde_json::Value;

pub const ACCOUNT: &str = "123456789012";

/// A simulator that serves on a thread of its own.
pub struct World {
    pub simulator: Simulator,
    pub server: Server,
}

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// The body as it came, where it is not text.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The text of the first element of that name.
    pub fn text(&self, element: &str) -> Option<&str> {
        let start = self.body.find(&format!("<{element}>"))? + element.len() + 2;
        let end = self.body[start..].find(&format!("</{element}>"))?;
        Some(&self.body[start..start + end])
    }

    /// The texts of all elements of that name.
    pub fn texts(&self, element: &str) -> Vec<&str> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        let parts = self.body.split(open.as_str()).skip(1);
        parts
            .filter_map(|part| part.split(close.as_str()).next())
            .collect()
    }

    /// Status and the error code of the JSON protocols.
    pub fn json_failure(&self) -> (u16, String) {
        let in_head = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix("x-amzn-errortype: "));
        let code = in_head.map(str::to_owned);
        (
            self.status,
            code.unwrap_or_else(|| self.json()["__type"].as_str().unwrap_or_default().to_owned()),
        )
    }

    /// Status and error code.
    pub fn failure(&self) -> (u16, &str) {
        (self.status, self.text("Code").unwrap_or_default())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Who signs.
#[derive(Debug, Clone)]
pub struct Signer {
    pub key: String,
    pub token: Option<String>,
}

impl Signer {
    pub fn of(account: &str) -> Self {
        Self {
            key: format!("AKIA{account}CALL"),
            token: None,
        }
    }
}

impl World {
    pub fn plant(seed: &str) -> Self {
        Self::of(&Seed::parse(seed).unwrap())
    }

    pub fn of(seed: &Seed) -> Self {
        let simulator = Simulator::from_seed(seed).unwrap();
        let server = simulator.serve_on_thread("127.0.0.1:0").unwrap();
        Self { simulator, server }
    }

    /// An IAM call of the account's own caller.
    pub fn iam(&self, operation: &str, parameters: &[(&str, &str)]) -> Answer {
        self.try_iam(operation, parameters).unwrap()
    }

    pub fn try_iam(&self, operation: &str, parameters: &[(&str, &str)]) -> io::Result<Answer> {
        self.signed(&Signer::of(ACCOUNT), "iam", operation, parameters)
    }

    pub fn signed(
        &self,
        signer: &Signer,
        service: &str,
        operation: &str,
        parameters: &[(&str, &str)],
    ) -> io::Result<Answer> {
        let version = if service == "sts" {
            "2011-06-15"
        } else {
            "2010-05-08"
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", operation)
            .append_pair("Version", version)
            .extend_pairs(parameters);
        send(
            self.server.address(),
            "POST",
            "/",
            &signature(signer, service),
            &form.finish(),
        )
    }

    pub fn secret(&self, id: &str) -> Answer {
        let head = format!(
            "{}X-Amz-Target: secretsmanager.GetSecretValue\r\n",
            signature(&Signer::of(ACCOUNT), "secretsmanager")
        );
        send(
            self.server.address(),
            "POST",
            "/",
            &head,
            &serde_json::json!({ "SecretId": id }).to_string(),
        )
        .unwrap()
    }

    /// A call of a service in a region, by the account's own caller.
    pub fn call(&self, at: At<'_>, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let head = format!("{}{head}", signature_in(&Signer::of(ACCOUNT), at));
        send(self.server.address(), method, path, &head, body).unwrap()
    }

    /// A call of a JSON service in a region, by the account's own caller.
    pub fn json(&self, at: At<'_>, target: &str, operation: &str, body: &Value) -> Answer {
        let head = format!("X-Amz-Target: {target}.{operation}\r\n");
        self.call(at, "POST", "/", &head, &body.to_string())
    }

    /// A call of the control API.
    pub fn control(&self, method: &str, path: &str, body: &str) -> Answer {
        send(
            self.server.address(),
            method,
            &format!("/_control/{path}"),
            "",
            body,
        )
        .unwrap()
    }

    pub fn state(&self) -> Value {
        self.simulator.state(ACCOUNT).unwrap()
    }
}

/// A user's row of a credential report, by column.
pub fn report_row(answer: &Answer, user: &str) -> BTreeMap<String, String> {
    let content = answer.text("Content").expect("a report");
    let csv = base64::engine::general_purpose::STANDARD.decode(content).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_owned));
    let columns: Vec<String> = lines.next().unwrap().collect();
    let row = lines
        .map(Iterator::collect::<Vec<_>>)
        .find(|row| row[0] == user)
        .expect("a row");
    columns.into_iter().zip(row).collect()
}

/// A service in a region.
#[derive(Debug, Clone, Copy)]
pub struct At<'a>(pub &'a str, pub &'a str);

fn signature(signer: &Signer, service: &str) -> String {
    signature_in(signer, At(service, "us-east-1"))
}

pub fn signature_in(signer: &Signer, At(service, region): At<'_>) -> String {
    let token = signer
        .token
        .as_ref()
        .map(|token| format!("X-Amz-Security-Token: {token}\r\n"))
        .unwrap_or_default();
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={}/20260901/{region}/{service}/aws4_request, \
         SignedHeaders=host, Signature=0\r\n{token}",
        signer.key
    )
}

/// Sends one request on a connection of its own.
pub fn send(address: SocketAddr, method: &str, path: &str, head: &str, body: &str) -> io::Result<Answer> {
    let mut stream = open(address, method, path, head, body)?;
    receive(&mut stream)
}

/// The same with a body that is not text.
pub fn send_bytes(address: SocketAddr, path: &str, head: &str, body: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n"
    )?;
    stream.write_all(body)?;
    receive(&mut stream)
}

fn receive(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let bytes = bytes.split_off(end + 4);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        head,
        body: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    })
}

/// Sends a request and leaves the answer to the caller.
pub fn open(address: SocketAddr, method: &str, path: &str, head: &str, body: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    )?;
    Ok(stream)
}

/// An IAM request left open.
pub fn open_iam(world: &World, operation: &str, parameters: &[(&str, &str)]) -> TcpStream {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", operation)
        .append_pair("Version", "2010-05-08")
        .extend_pairs(parameters);
    let head = signature(&Signer::of(ACCOUNT), "iam");
    open(world.server.address(), "POST", "/", &head, &form.finish()).unwrap()
}
