//! Answers of AWS, or of whatever stands between: one server that answers everything with the same bytes, and every reading
//! that there is.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use iamwarden::aws::{Ambient, CallRate, Pace, Purpose, Secrets, Session, Sessions};
use iamwarden::inventory::Granularity;
use iamwarden::model::{Arn, Region};
use tokio::runtime::Runtime;

/// What every request is answered with: status and body.
static ANSWER: Mutex<(u16, Vec<u8>)> = Mutex::new((200, Vec::new()));

const IDENTITY: &[u8] = b"<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
<GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/Operator/fuzz</Arn>\
<UserId>AROA:fuzz</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";

static SESSION: LazyLock<(Runtime, Session)> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let pace = Pace {
        attempt: Duration::from_secs(5),
        operation: Duration::from_secs(5),
        attempts: 1,
        report: Duration::from_millis(2),
        advisor: Duration::from_millis(2),
        first_report_poll: Duration::from_millis(1),
        first_job_poll: Duration::from_millis(1),
        longest_poll: Duration::from_millis(1),
        rate: CallRate {
            per_second: 1e6,
            burst: 1e6,
            floor: 1e6,
        },
        ..Pace::default()
    };
    let ambient = Arc::new(Ambient::fixed(url, "AKIA123456789012CALL", "secret".into(), pace));
    let secrets = Arc::new(Secrets::new(|_: &str| None, Arc::clone(&ambient)));
    let sessions = Sessions::new(ambient, secrets, "fuzz");
    *ANSWER.lock().unwrap() = (200, IDENTITY.to_vec());
    let connected = sessions.connect(None, Purpose::Work, chrono::Utc::now());
    let session = runtime.block_on(connected).unwrap();
    (runtime, session)
});

/// Answers the requests of one connection. Bodies of requests are not looked at; those of ours are small.
fn serve(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    let mut read = Vec::new();
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer) else {
            return;
        };
        read.extend_from_slice(&buffer[..count]);
        let Some(end) = whole(&read) else { continue };
        read.drain(..end);
        let (status, body) = ANSWER.lock().unwrap().clone();
        let date = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\ndate: {date}\r\ncontent-type: text/xml\r\n\r\n",
            body.len()
        );
        if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

/// Where the first request ends, once all of it is there.
fn whole(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let end = head + length.unwrap_or_default();
    (read.len() >= end).then_some(end)
}

/// The first byte says which status and which readings, the rest is the body. What cannot be understood is an error.
pub fn aws_answer(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let (runtime, session) = &*SESSION;
    let status = [200, 200, 200, 400, 403, 503][usize::from(choice / 8) % 6];
    *ANSWER.lock().unwrap() = (status, body.to_vec());
    runtime.block_on(read(session, choice % 8));
}

async fn read(session: &Session, choice: u8) {
    let reader = session.reader();
    let region = Region::parse("eu-central-1").unwrap();
    let arn = |text: &str| Arn::parse(text).unwrap();
    match choice {
        0 => {
            let instance = arn("arn:aws:ec2:eu-central-1:123456789012:instance/i-00000000000000001");
            let _ = reader.running_instances(&region).await;
            let _ = reader.instance(&instance).await;
        }
        1 => {
            let _ = reader.bucket_exposure("acme-logs", &region).await;
        }
        2 => {
            let topic = arn("arn:aws:sns:eu-central-1:123456789012:alerts");
            let _ = reader.confirmed_subscriptions(&topic).await;
        }
        3 => {
            let _ = reader.metric_alarms(&region).await;
        }
        4 => {
            let group = arn("arn:aws:logs:eu-central-1:123456789012:log-group:cloudtrail");
            let _ = reader.metric_filter(&group, "root").await;
        }
        5 => {
            let analyzer = arn("arn:aws:access-analyzer:eu-central-1:123456789012:analyzer/main");
            let _ = reader.analyzers(&region).await;
            let _ = reader.external_access(&analyzer).await;
            let _ = reader.unused_access(&analyzer).await;
        }
        6 => {
            let _ = reader.trails(&region).await;
        }
        _ => {
            let user = arn("arn:aws:iam::123456789012:user/ada");
            let _ = reader.access_keys(&user).await;
            let _ = reader.password_policy().await;
            let _ = reader.authorization(true).await;
            let _ = reader.service_last_accessed(&user, Granularity::Service).await;
        }
    }
}
