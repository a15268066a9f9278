//! A small XML writer, and the envelopes of the Query protocol.

use std::fmt::{Display, Write};

use chrono::{DateTime, SecondsFormat, Utc};

use super::error::AwsError;

/// XML under construction.
#[derive(Debug, Default, Clone)]
pub(crate) struct Xml {
    text: String,
}

impl Xml {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `<name>value</name>`
    pub(crate) fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.open(name);
        escape(&value.to_string(), &mut self.text);
        self.close(name)
    }

    /// Text without an element of its own.
    pub(crate) fn plain(&mut self, value: impl Display) {
        escape(&value.to_string(), &mut self.text);
    }

    /// The outermost element, with its namespace.
    pub(crate) fn root(name: &str, namespace: &str, fill: impl FnOnce(&mut Self)) -> Self {
        let mut xml = Self::new();
        // Writing to a String cannot fail.
        let _ = write!(xml.text, "<{name} xmlns=\"{namespace}\">");
        fill(&mut xml);
        xml.close(name);
        xml
    }

    /// `<name xsi:type="kind">…</name>`
    pub(crate) fn typed(&mut self, name: &str, kind: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let schema = "http://www.w3.org/2001/XMLSchema-instance";
        let _ = write!(self.text, "<{name} xmlns:xsi=\"{schema}\" xsi:type=\"{kind}\">");
        fill(self);
        self.close(name)
    }

    /// `<name>value</name>`, or nothing.
    pub(crate) fn optional(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// A date in the form IAM uses.
    pub(crate) fn date(&mut self, name: &str, at: DateTime<Utc>) -> &mut Self {
        self.text(name, at.to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    /// A date, or nothing.
    pub(crate) fn optional_date(&mut self, name: &str, at: Option<DateTime<Utc>>) -> &mut Self {
        if let Some(at) = at {
            self.date(name, at);
        }
        self
    }

    /// `<name>…</name>` around what `fill` writes.
    pub(crate) fn node(&mut self, name: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        fill(self);
        self.close(name)
    }

    /// `<name><member>…</member>…</name>`
    pub(crate) fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.open(name);
        for item in items {
            self.open("member");
            fill(self, item);
            self.close("member");
        }
        self.close(name)
    }

    /// `<name><item>…</item>…</name>`, as EC2 has its lists.
    pub(crate) fn items<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.open(name);
        for item in items {
            self.open("item");
            fill(self, item);
            self.close("item");
        }
        self.close(name)
    }

    /// `<name><member>text</member>…</name>`
    pub(crate) fn strings(&mut self, name: &str, items: impl IntoIterator<Item = impl Display>) -> &mut Self {
        self.open(name);
        for item in items {
            self.text("member", item);
        }
        self.close(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }

    fn open(&mut self, name: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "<{name}>");
    }

    fn close(&mut self, name: &str) -> &mut Self {
        let _ = write!(self.text, "</{name}>");
        self
    }
}

fn escape(value: &str, into: &mut String) {
    for letter in value.chars() {
        match letter {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\r' => into.push_str("&#13;"),
            other => into.push(other),
        }
    }
}

/// A successful answer. Operations without a result have no result element.
pub(crate) fn response(namespace: &str, operation: &str, result: Xml, request_id: &str) -> String {
    let body = if result.is_empty() {
        String::new()
    } else {
        format!("<{operation}Result>{}</{operation}Result>", result.into_string())
    };
    format!(
        "<{operation}Response xmlns=\"{namespace}\">{body}\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

/// An error answer.
pub(crate) fn error_response(namespace: &str, error: &AwsError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.node("Error", |x| {
        x.text("Type", error.blame())
            .text("Code", &error.code)
            .text("Message", &error.message);
    });
    xml.text("RequestId", request_id);
    format!(
        "<ErrorResponse xmlns=\"{namespace}\">{}</ErrorResponse>",
        xml.into_string()
    )
}

/// A successful answer of EC2, which has no result element.
pub(crate) fn ec2_response(namespace: &str, operation: &str, result: Xml, request_id: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>{}</{operation}Response>",
        result.into_string()
    )
}

/// An error answer of services that speak REST.
pub(crate) fn rest_error_response(error: &AwsError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.node("Error", |x| {
        x.text("Code", &error.code).text("Message", &error.message);
        x.text("RequestId", request_id);
    });
    xml.into_string()
}

/// An error answer of EC2.
pub(crate) fn ec2_error_response(error: &AwsError, request_id: &str) -> String {
    let mut xml = Xml::new();
    xml.node("Response", |x| {
        x.node("Errors", |x| {
            x.node("Error", |x| {
                x.text("Code", &error.code).text("Message", &error.message);
            });
        });
        x.text("RequestID", request_id);
    });
    xml.into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut xml = Xml::new();
        xml.text("A", "<&>\"\r");
        assert_eq!(xml.into_string(), "<A>&lt;&amp;&gt;&quot;&#13;</A>");
    }

    #[test]
    fn a_result_is_wrapped_and_an_empty_one_left_out() {
        let mut xml = Xml::new();
        xml.strings("Names", ["a", "b"]);
        assert_eq!(
            response("ns", "List", xml, "id"),
            "<ListResponse xmlns=\"ns\"><ListResult><Names><member>a</member><member>b</member></Names></ListResult>\
             <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></ListResponse>"
        );
        assert!(!response("ns", "Tag", Xml::new(), "id").contains("TagResult"));
    }

    #[test]
    fn an_error_names_type_code_and_message() {
        let error = AwsError::absent("user", "ada");
        assert_eq!(
            error_response("ns", &error, "id"),
            "<ErrorResponse xmlns=\"ns\"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>\
             <Message>The user with name ada cannot be found.</Message></Error><RequestId>id</RequestId></ErrorResponse>"
        );
    }
}
