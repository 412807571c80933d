CREATE TABLE flavors (
  id          VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq         BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  name        VARCHAR(255) NOT NULL UNIQUE,
  description TEXT NULL,
  ram         INT NOT NULL,
  vcpus       INT NOT NULL,
  disk        INT NOT NULL,
  ephemeral   INT NOT NULL DEFAULT 0,
  swap        INT NOT NULL DEFAULT 0,
  rxtx_factor DOUBLE NOT NULL DEFAULT 1,
  is_public   BOOLEAN NOT NULL DEFAULT TRUE,
  extra_specs TEXT NOT NULL,
  created_at  DATETIME(6) NOT NULL,
  updated_at  DATETIME(6) NOT NULL
);

CREATE TABLE keypairs (
  seq         BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  user_id     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  type        VARCHAR(16) NOT NULL DEFAULT 'ssh',
  public_key  TEXT NOT NULL,
  fingerprint VARCHAR(255) NOT NULL,
  created_at  DATETIME(6) NOT NULL,
  PRIMARY KEY (user_id, name)
);

CREATE TABLE servers (
  id             CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seq            BIGINT NOT NULL AUTO_INCREMENT UNIQUE,
  project_id     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name           VARCHAR(255) NOT NULL,
  description    VARCHAR(255) NULL,
  host_name      VARCHAR(63) NOT NULL,
  reservation_id VARCHAR(32) NOT NULL,
  launch_index   INT NOT NULL DEFAULT 0,
  image_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  flavor_id      VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  guest          TEXT NOT NULL,
  vcpus          INT NOT NULL,
  ram            INT NOT NULL,
  disk           INT NOT NULL,
  key_name       VARCHAR(255) NULL,
  public_key     TEXT NULL,
  metadata       TEXT NOT NULL,
  user_data      MEDIUMBLOB NULL,
  networks       TEXT NOT NULL,
  security_groups TEXT NOT NULL,
  zone           VARCHAR(255) NOT NULL,
  forced_host    VARCHAR(255) NOT NULL DEFAULT '',
  node_id        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  node_name      VARCHAR(255) NOT NULL DEFAULT '',
  vm_state       VARCHAR(16) NOT NULL,
  task_state     VARCHAR(32) NOT NULL DEFAULT '',
  fault          TEXT NULL,
  intent         VARCHAR(8) NOT NULL DEFAULT '',
  generation     BIGINT NOT NULL DEFAULT 0,
  reboot_count   INT NOT NULL DEFAULT 0,
  hard_reboot    BOOLEAN NOT NULL DEFAULT FALSE,
  created_at     DATETIME(6) NOT NULL,
  updated_at     DATETIME(6) NOT NULL,
  launched_at    DATETIME(6) NULL,
  KEY project (project_id),
  KEY node (node_id),
  KEY task (task_state)
);

CREATE TABLE disabled_hosts (
  node_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  reason     VARCHAR(255) NOT NULL DEFAULT '',
  updated_at DATETIME(6) NOT NULL
);
