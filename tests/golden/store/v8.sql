-- A store written by schema version 8, as text: one succeeded job with two candidates and a file, a token, an audit record. Never edited.
PRAGMA application_id=1349674339;
PRAGMA user_version=8;
CREATE TABLE "jobs" (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  spec BLOB NOT NULL,
  spec_digest TEXT NOT NULL,
  display_name TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  constrained INTEGER NOT NULL CHECK (constrained >= 0),
  target REAL NOT NULL,
  cheapest REAL NOT NULL,
  dearest REAL NOT NULL,
  total_steps INTEGER NOT NULL CHECK (total_steps >= 0),
  total_macs INTEGER NOT NULL CHECK (total_macs >= 0),
  parameters INTEGER NOT NULL CHECK (parameters >= 0),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
  error TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
  created_us INTEGER NOT NULL,
  started_us INTEGER NOT NULL,
  ended_us INTEGER NOT NULL,
  last_batch INTEGER NOT NULL CHECK (last_batch >= 0),
  worker_version TEXT NOT NULL,
  phase INTEGER NOT NULL CHECK (phase BETWEEN 0 AND 5),
  step INTEGER NOT NULL,
  progress_steps INTEGER NOT NULL,
  fraction REAL,
  loss REAL,
  train_accuracy REAL,
  reward REAL,
  cost REAL,
  mean_entropy REAL,
  mean_max_probability REAL,
  rejected_steps INTEGER NOT NULL,
  images_per_second REAL,
  loader_wait_share REAL DEFAULT 0,
  pause_requested INTEGER NOT NULL DEFAULT 0 CHECK (pause_requested IN (0, 1)),
  notice TEXT NOT NULL DEFAULT '',
  restarts INTEGER NOT NULL DEFAULT 0 CHECK (restarts >= 0),
  candidates_reported INTEGER NOT NULL DEFAULT 0 CHECK (candidates_reported >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_costs (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  name TEXT NOT NULL,
  unit TEXT NOT NULL,
  basis TEXT NOT NULL,
  cheapest REAL NOT NULL DEFAULT 0,
  dearest REAL NOT NULL DEFAULT 0,
  at_most REAL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_layers (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  name TEXT NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_targets (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  target REAL NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE results (
  job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  final_candidate INTEGER NOT NULL,
  float_search_accuracy REAL,
  float_search_loss REAL,
  float_search_images INTEGER NOT NULL,
  float_test_accuracy REAL,
  float_test_loss REAL,
  float_test_images INTEGER NOT NULL,
  rejected_steps INTEGER NOT NULL,
  mean_entropy REAL,
  mean_max_probability REAL,
  images_trained INTEGER NOT NULL DEFAULT 0 CHECK (images_trained >= 0),
  images_evaluated INTEGER NOT NULL DEFAULT 0 CHECK (images_evaluated >= 0),
  loader_wait_share REAL DEFAULT 0,
  skipped_images INTEGER NOT NULL DEFAULT 0 CHECK (skipped_images >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidates (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  assignment TEXT NOT NULL,
  origin INTEGER NOT NULL CHECK (origin BETWEEN 0 AND 2),
  label TEXT NOT NULL,
  step INTEGER NOT NULL CHECK (step >= 0),
  sampled_at INTEGER NOT NULL CHECK (sampled_at >= -1),
  search_accuracy REAL NOT NULL CHECK (search_accuracy BETWEEN 0 AND 1),
  search_loss REAL,
  search_images INTEGER NOT NULL CHECK (search_images >= 0),
  has_test INTEGER NOT NULL CHECK (has_test IN (0, 1)),
  test_accuracy REAL NOT NULL CHECK (test_accuracy BETWEEN 0 AND 1),
  test_loss REAL,
  test_images INTEGER NOT NULL CHECK (test_images >= 0),
  feasible INTEGER NOT NULL CHECK (feasible IN (0, 1)),
  activation_max_abs BLOB NOT NULL CHECK (length(activation_max_abs) % 8 = 0),
  activation_low BLOB NOT NULL DEFAULT x'' CHECK (length(activation_low) % 8 = 0),
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidate_costs (
  job_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  position INTEGER NOT NULL CHECK (position >= 0),
  value REAL NOT NULL CHECK (value >= 0),
  PRIMARY KEY (job_id, number, position),
  FOREIGN KEY (job_id, number) REFERENCES candidates (job_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE "events" (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number INTEGER NOT NULL CHECK (number >= 1),
  time_us INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
  state INTEGER CHECK (state BETWEEN 0 AND 5),
  message TEXT,
  candidate_number INTEGER,
  phase INTEGER CHECK (phase BETWEEN 0 AND 5),
  step INTEGER,
  progress_steps INTEGER,
  fraction REAL,
  loss REAL,
  train_accuracy REAL,
  reward REAL,
  cost REAL,
  mean_entropy REAL,
  mean_max_probability REAL,
  rejected_steps INTEGER,
  images_per_second REAL,
  loader_wait_share REAL DEFAULT 0,
  PRIMARY KEY (job_id, number),
  CHECK ((kind = 0) = (state IS NOT NULL) AND (kind = 0) = (message IS NOT NULL)),
  CHECK ((kind = 1) = (phase IS NOT NULL)),
  CHECK ((kind = 2) = (candidate_number IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX candidates_by_accuracy ON candidates (job_id, search_accuracy, number);
CREATE INDEX candidate_costs_by_value ON candidate_costs (job_id, position, value, number);
CREATE INDEX jobs_by_time ON jobs (created_us, id);
CREATE INDEX jobs_by_state ON jobs (state, created_us, id);
INSERT INTO jobs VALUES ('golden', NULL, X'7370006563ff', 'digest', 'a name', 'f00d', 1, 0.30000000000000004, 1.0, 1e+300, 1000, 1152921504606846976, 77, 2, '', 0, 1700000000000000, 1700000000000001, 1700000000000002, 1, '', 2, 4, 1000, 0.004, 0.3333333333333333, 0.7, -0.1, 123456.789, 1.25, 0.3, 2, 9876.5, 0.01, 0, '', 0, 2);
INSERT INTO job_costs VALUES ('golden', 0, 'bops', 'BOPs', 'all layers', 1000000.0, 333333333.3333333, NULL);
INSERT INTO job_costs VALUES ('golden', 1, 'model_size', 'bits', 'all weights', 1.0, 1e+300, 0.30000000000000004);
INSERT INTO job_layers VALUES ('golden', 0, 'stem');
INSERT INTO job_layers VALUES ('golden', 1, 'classifier');
INSERT INTO job_targets VALUES ('golden', 0, 0.30000000000000004);
INSERT INTO results VALUES ('golden', 2, 0.92, 0.25, 6000, 0.91, 0.26, 10000, 3, 0.5, 0.75, 0, 0, 0.02, 5);
INSERT INTO candidates VALUES ('golden', 1, 'int2,e4m3/int8', 0, 'sample', 10, -1, 0.5, 0.30000000000000004, 6000, 1, 0.25, 2.5, 10000, 0, X'000000000000f83f9a9999999999b93f', X'000000000000f8bf9a9999999999b9bf');
INSERT INTO candidates VALUES ('golden', 2, 'int8,int4', 0, 'sample', 20, 0, 0.5, 0.30000000000000004, 6000, 1, 0.25, 2.5, 10000, 1, X'000000000000f83f9a9999999999b93f', X'000000000000f8bf9a9999999999b9bf');
INSERT INTO candidate_costs VALUES ('golden', 1, 0, 1000000000.0);
INSERT INTO candidate_costs VALUES ('golden', 2, 0, 1000000000.0);
INSERT INTO candidate_costs VALUES ('golden', 1, 1, 0.3333333333333333);
INSERT INTO candidate_costs VALUES ('golden', 2, 1, 0.3333333333333333);
INSERT INTO events VALUES ('golden', 1, 1795509199215900, 0, 0, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO events VALUES ('golden', 2, 1795509199219557, 0, 1, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO events VALUES ('golden', 3, 1795509199223168, 1, NULL, NULL, NULL, 2, 4, 1000, 0.004, 0.3333333333333333, 0.7, -0.1, 123456.789, 1.25, 0.3, 2, 9876.5, 0.01);
INSERT INTO events VALUES ('golden', 4, 1795509199223168, 2, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO events VALUES ('golden', 5, 1795509199223168, 2, NULL, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO events VALUES ('golden', 6, 1795509199223622, 0, 2, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0);
CREATE TABLE tokens (
  name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
  hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
  role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 2),
  created_us INTEGER NOT NULL,
  last_used_us INTEGER NOT NULL,
  expires_us INTEGER NOT NULL,
  revoked_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  number INTEGER NOT NULL PRIMARY KEY,
  time_us INTEGER NOT NULL,
  principal TEXT NOT NULL,
  method TEXT NOT NULL,
  resource TEXT NOT NULL,
  peer TEXT NOT NULL,
  code INTEGER NOT NULL,
  refused INTEGER NOT NULL CHECK (refused IN (0, 1))
) STRICT;
CREATE INDEX audit_by_kind ON audit (refused, number);
INSERT INTO tokens VALUES ('ci', '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f', 1, 1700000000000000, 1700000000000005, 0, 1700000000000009);
INSERT INTO audit VALUES (1, 1700000000000003, 'ci', '/precis.v1.SearchService/SubmitJob', 'jobs/golden', 'ipv4:127.0.0.1:1', 0, 0);
CREATE TABLE job_files (
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (name <> ''),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;
INSERT INTO job_files VALUES ('golden', 'weights.safetensors', 12345, '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f');
