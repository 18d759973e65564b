//! What a new configuration changes: now, or after a restart.

use super::{Config, LogOptions, ResourceOptions};

impl Config {
    /// The options that differ in `new`: those that take effect at once, and those that need a restart. Sections whose
    /// options all behave alike are named as a whole.
    pub fn reloadable_difference(&self, new: &Self) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut differences = sections(self, new);
        differences.extend(resources(&self.resources, &new.resources));
        differences.extend(log(&self.log, &new.log));
        let named = |at_once: bool| {
            let wanted = |&&(_, differs, now): &&Difference| differs && now == at_once;
            differences.iter().filter(wanted).map(|&(name, ..)| name).collect()
        };
        (named(true), named(false))
    }
}

/// Name, whether it differs, whether it takes effect at once.
type Difference = (&'static str, bool, bool);

fn sections(old: &Config, new: &Config) -> Vec<Difference> {
    // In full, so that a new option cannot be forgotten here.
    let Config {
        source: _,
        root,
        inbox_folder,
        model,
        threads,
        dtype,
        serve_to,
        api,
        answers,
        inbox,
        learn,
        writer,
        gate,
        consolidate,
        writer_rounds,
        reading,
        schedule,
        resources: _,
        log: _,
    } = old;
    vec![
        ("root", *root != new.root, false),
        ("inbox_folder", *inbox_folder != new.inbox_folder, false),
        ("model", *model != new.model, false),
        ("threads", *threads != new.threads, false),
        ("dtype", *dtype != new.dtype, false),
        ("serve_to", *serve_to != new.serve_to, false),
        ("api", *api != new.api, false),
        ("answers", *answers != new.answers, false),
        ("inbox", *inbox != new.inbox, true),
        ("learn", *learn != new.learn, true),
        ("writer", *writer != new.writer, true),
        ("gate", *gate != new.gate, true),
        ("consolidate", *consolidate != new.consolidate, true),
        ("writer_rounds", *writer_rounds != new.writer_rounds, true),
        ("reading", *reading != new.reading, false),
        ("schedule", *schedule != new.schedule, true),
    ]
}

fn resources(old: &ResourceOptions, new: &ResourceOptions) -> [Difference; 4] {
    let ResourceOptions { nice, pause_above_others, unload_after_seconds, max_memory } = old;
    [
        ("resources.nice", *nice != new.nice, false),
        ("resources.pause_above_others", *pause_above_others != new.pause_above_others, true),
        ("resources.unload_after_seconds", *unload_after_seconds != new.unload_after_seconds, true),
        ("resources.max_memory", *max_memory != new.max_memory, true),
    ]
}

fn log(old: &LogOptions, new: &LogOptions) -> [Difference; 2] {
    let LogOptions { level, format } = old;
    [("log.level", *level != new.level, true), ("log.format", *format != new.format, false)]
}
