//! As little work as still is the whole method: nano learns a document in some seconds.

use std::path::Path;

use seald_engine::embedded::NANO;

/// The table `[learn]` of a configuration, and [`LearnOptions`](seald_learn::options::LearnOptions) alike.
pub(crate) const LEARN: &str = "
candidates = 4
exams = 1
learning_rates = [3e-3]
epochs = [20]
base_samples = 16
base_rows = 2
rung_steps = [4, 8]
rehearsal_rows = 8
final_steps = 40
final_rate = 1.0
bank_probes = 16
";

/// Writes nano with a remark in its chat template: to the program a model that nobody taught our prompts.
pub(crate) fn stranger(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, bytes) in NANO.files() {
        let remark: &[u8] = if name == "chat_template.jinja" { b"{# another -#}" } else { b"" };
        std::fs::write(folder.join(name), [remark, bytes].concat()).unwrap();
    }
}
