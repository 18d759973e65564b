//! As little work as still is the whole method: nano learns a document in some seconds.

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
