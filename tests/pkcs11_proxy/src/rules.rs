//! What the file of rules says now.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cryptoki_sys::CK_RV;

/// How often each rule was followed, by the file that it stands in, all that is in it, and its line.
static FOLLOWED: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// The code that a function is to return instead of being called. Waits here where it is to take longer.
pub(crate) fn fault(function: &str) -> Option<CK_RV> {
    log(function);
    let rules = rules();
    for line in rules.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some(function) {
            continue;
        }
        match (words.next(), words.next()) {
            (Some("sleep"), Some(seconds)) => {
                std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap_or(0.0)));
            }
            (Some(code), times) if is_due(&rules, line, times) => {
                return CK_RV::from_str_radix(code.trim_start_matches("0x"), 16).ok();
            }
            _ => {}
        }
    }
    None
}

/// How GCM makes its nonces: `zeros`, `appended`, or as the caller says; `none` where there is no GCM.
pub(crate) fn gcm() -> Option<&'static str> {
    let rules = rules();
    ["none", "zeros", "appended"]
        .into_iter()
        .find(|way| rules.lines().any(|line| line == format!("gcm {way}")))
}

#[expect(clippy::disallowed_methods, reason = "a module has no other arguments")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn rules() -> String {
    variable("FAULT_FILE").and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
}

fn is_due(rules: &str, line: &str, times: Option<&str>) -> bool {
    let Some(times) = times.and_then(|times| times.parse::<u32>().ok()) else { return true };
    let mut followed = FOLLOWED.lock().unwrap_or_else(PoisonError::into_inner);
    let rule = format!("{}\n{rules}\n{line}", variable("FAULT_FILE").unwrap_or_default());
    let count = followed.get_or_insert_default().entry(rule).or_insert(0);
    *count += 1;
    *count <= times
}

fn log(function: &str) {
    let Some(path) = variable("FAULT_LOG") else { return };
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        let _ = file.write_all(format!("{function}\n").as_bytes());
    }
}
