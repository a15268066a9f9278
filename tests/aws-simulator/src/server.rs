//! The HTTP server. It sits on the bare connection, for a fault may end one without an answer.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::control;
use crate::simulator::{Reply, Simulator};
use crate::wire::reply::HttpAnswer;

/// A running server. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Where it listens: `http://127.0.0.1:40123`, fit for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and ends all connections.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // The thread ends as soon as its signal is gone; that it panicked has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Simulator {
    /// Listens on `address`, for example `127.0.0.1:0`, and answers within the present tokio runtime.
    pub async fn serve(&self, address: &str) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(accept(self.clone(), listener, stopped));
        Ok(Server {
            address,
            stop: Some(stop),
            thread: None,
        })
    }

    /// The same on a thread and a runtime of its own, for callers without one.
    pub fn serve_on_thread(&self, address: &str) -> io::Result<Server> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let simulator = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = move || {
            runtime.block_on(async {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    accept(simulator, listener, stopped).await;
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("aws-simulator".to_owned())
            .spawn(run)?;
        Ok(Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

/// Accepts connections until told to stop; then all of them end.
async fn accept(simulator: Simulator, listener: TcpListener, mut stopped: oneshot::Receiver<Infallible>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(simulator.clone(), stream));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// The connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("reset, as a fault asked for")]
struct Reset;

async fn connection(simulator: Simulator, stream: TcpStream) {
    // Small answers wait for nothing; an error here means that the client has gone already.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| Box::pin(respond(simulator.clone(), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if ended.is_err_and(|error| error.is_user()) {
        let stream = connection.into_parts().io.into_inner();
        // Without lingering, closing sends a reset.
        let _ = stream.set_zero_linger();
    }
}

async fn respond(simulator: Simulator, request: Request<Incoming>) -> Result<Response<Payload>, Reset> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Err(Reset);
    };
    let answer = if head.uri.path().starts_with("/_control/") {
        control::answer(&simulator, &head.method, &head.uri, &body).await
    } else {
        match simulator.answer(&head, &body).await {
            Reply::Answer(answer) => answer,
            Reply::Reset => return Err(Reset),
        }
    };
    Ok(response(answer, simulator.clock().now()))
}

/// The body of an answer, of which the second half may get lost.
struct Payload {
    rest: Option<Bytes>,
    length: usize,
    cut: bool,
}

impl Payload {
    fn new(bytes: Vec<u8>, cut: bool) -> Self {
        let mut bytes = Bytes::from(bytes);
        let length = bytes.len();
        if cut {
            bytes.truncate(length / 2);
        }
        Self {
            rest: Some(bytes),
            length,
            cut,
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        match self.rest.take() {
            Some(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ if self.cut => Poll::Ready(Some(Err(Reset))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0 && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.length).unwrap_or(u64::MAX))
    }
}

fn response(answer: HttpAnswer, now: DateTime<Utc>) -> Response<Payload> {
    let HttpAnswer {
        status,
        content_type,
        request_id,
        headers,
        body,
        cut,
    } = answer;
    let mut built = Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-amzn-requestid", request_id)
        // By this clients tell whether their clock is right, so it is the simulator's time.
        .header("date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    for (name, value) in headers {
        built = built.header(name, value);
    }
    built.body(Payload::new(body, cut)).unwrap_or_else(|_| {
        // Only a fault with an impossible status leads here.
        let mut response = Response::new(Payload::new(Vec::new(), false));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
