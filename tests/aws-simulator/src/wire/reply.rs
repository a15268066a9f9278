//! Answers and errors in the protocol of the request.

use serde_json::json;

use super::error::AwsError;
use super::request::Request;
use super::service::{Protocol, Service};
use super::xml::Xml;
use super::{cbor, nested, xml};
use crate::context::Answer;

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) request_id: String,
    /// Headers that not all protocols have.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection is lost when half of the body is sent.
    pub(crate) cut: bool,
}

impl HttpAnswer {
    pub(crate) fn new(
        status: u16,
        content_type: &'static str,
        request_id: String,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            status,
            content_type,
            request_id,
            headers: Vec::new(),
            body: body.into(),
            cut: false,
        }
    }
}

fn content_type(service: Service, protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Query | Protocol::Ec2 => "text/xml",
        Protocol::Json if service == Service::CloudWatch => "application/x-amz-json-1.0",
        Protocol::Json => "application/x-amz-json-1.1",
        Protocol::Cbor => "application/cbor",
        Protocol::RestJson => "application/json",
        Protocol::RestXml => "application/xml",
    }
}

/// Headers that every answer of a protocol has.
fn headers(protocol: Protocol, request_id: &str) -> Vec<(&'static str, String)> {
    match protocol {
        Protocol::Cbor => vec![("smithy-protocol", "rpc-v2-cbor".to_owned())],
        Protocol::RestXml => vec![("x-amz-request-id", request_id.to_owned())],
        Protocol::Query | Protocol::Ec2 | Protocol::Json | Protocol::RestJson => Vec::new(),
    }
}

/// A success.
pub(crate) fn success(request: &Request, answer: Answer, request_id: String) -> HttpAnswer {
    let Request {
        service,
        protocol,
        operation,
        ..
    } = request;
    let namespace = service.namespace();
    let body = match (answer, protocol) {
        (Answer::Xml(result), Protocol::RestXml) => result.into_string().into_bytes(),
        (Answer::Xml(result), Protocol::Ec2) => {
            xml::ec2_response(namespace, operation, result, &request_id).into_bytes()
        }
        (Answer::Xml(result), _) => xml::response(namespace, operation, result, &request_id).into_bytes(),
        (Answer::Json(value), Protocol::Query) => {
            let mut result = Xml::new();
            nested::write(&mut result, &value);
            xml::response(namespace, operation, result, &request_id).into_bytes()
        }
        (Answer::Json(value), Protocol::Cbor) if value.is_null() => cbor::encode(&json!({})),
        (Answer::Json(value), Protocol::Cbor) => cbor::encode(&value),
        (Answer::Json(value), _) if value.is_null() => Vec::new(),
        (Answer::Json(value), _) => value.to_string().into_bytes(),
    };
    let headers = headers(*protocol, &request_id);
    let mut answer = HttpAnswer::new(200, content_type(*service, *protocol), request_id, body);
    answer.headers = headers;
    answer
}

/// An error.
pub(crate) fn refusal(
    service: Service,
    protocol: Protocol,
    error: &AwsError,
    request_id: String,
) -> HttpAnswer {
    let structure = json!({ "__type": error.code, "message": error.message });
    let body = match protocol {
        Protocol::Query => xml::error_response(service.namespace(), error, &request_id).into_bytes(),
        Protocol::Ec2 => xml::ec2_error_response(error, &request_id).into_bytes(),
        Protocol::Json => structure.to_string().into_bytes(),
        Protocol::Cbor => cbor::encode(&structure),
        Protocol::RestJson => json!({ "message": error.message }).to_string().into_bytes(),
        Protocol::RestXml => xml::rest_error_response(error, &request_id).into_bytes(),
    };
    let mut headers = headers(protocol, &request_id);
    headers.extend(error.header.clone());
    if protocol == Protocol::RestJson {
        headers.push(("x-amzn-errortype", error.code.clone()));
    }
    // A service that spoke the Query protocol before says in a header what the error was called there.
    if service == Service::CloudWatch && protocol != Protocol::Query {
        headers.push(("x-amzn-query-error", format!("{};{}", error.code, error.blame())));
    }
    let mut answer = HttpAnswer::new(error.status, content_type(service, protocol), request_id, body);
    answer.headers = headers;
    answer
}
