#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iamwarden_fuzz::body("signing_secret")(data));
