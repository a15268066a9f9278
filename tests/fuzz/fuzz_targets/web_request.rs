#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iamwarden_fuzz::body("web_request")(data));
