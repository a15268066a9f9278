//! Answers and errors in the protocol of the request.

use serde_json::json;

use super::error::AwsError;
use super::request::Request;
use super::service::{Protocol, Service};
use super::xml;
use crate::context::Answer;

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) request_id: String,
    /// The error's code, where the protocol has it in a header.
    pub(crate) error_type: Option<String>,
    pub(crate) body: String,
    /// The connection is lost when half of the body is sent.
    pub(crate) cut: bool,
}

impl HttpAnswer {
    pub(crate) fn new(status: u16, content_type: &'static str, request_id: String, body: String) -> Self {
        Self {
            status,
            content_type,
            request_id,
            error_type: None,
            body,
            cut: false,
        }
    }
}

fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Query | Protocol::Ec2 => "text/xml",
        Protocol::Json => "application/x-amz-json-1.1",
        Protocol::RestJson => "application/json",
    }
}

/// A success.
pub(crate) fn success(request: &Request, answer: Answer, request_id: String) -> HttpAnswer {
    let namespace = request.service.namespace();
    let body = match answer {
        Answer::Xml(result) if request.protocol == Protocol::Ec2 => {
            xml::ec2_response(namespace, &request.operation, result, &request_id)
        }
        Answer::Xml(result) => xml::response(namespace, &request.operation, result, &request_id),
        Answer::Json(value) if value.is_null() => String::new(),
        Answer::Json(value) => value.to_string(),
    };
    HttpAnswer::new(200, content_type(request.protocol), request_id, body)
}

/// An error.
pub(crate) fn refusal(
    service: Service,
    protocol: Protocol,
    error: &AwsError,
    request_id: String,
) -> HttpAnswer {
    let body = match protocol {
        Protocol::Query => xml::error_response(service.namespace(), error, &request_id),
        Protocol::Ec2 => xml::ec2_error_response(error, &request_id),
        Protocol::Json => json!({ "__type": error.code, "message": error.message }).to_string(),
        Protocol::RestJson => json!({ "message": error.message }).to_string(),
    };
    let mut answer = HttpAnswer::new(error.status, content_type(protocol), request_id, body);
    if protocol == Protocol::RestJson {
        answer.error_type = Some(error.code.clone());
    }
    answer
}
