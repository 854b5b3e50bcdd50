//! Data to words: what is said to people and to whoever asks for health. Pure; no I/O but the log's front.

pub mod health;
pub mod plan_words;
pub mod pod_words;
pub mod words;
