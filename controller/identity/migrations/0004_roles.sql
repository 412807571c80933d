-- Roles of one domain; global ones have none. Names are unique among each.
ALTER TABLE roles
	ADD domain_id VARCHAR(64) NULL,
	ADD domain_key VARCHAR(64) AS (COALESCE(domain_id, '')) PERSISTENT,
	ADD UNIQUE KEY domain_name (domain_key, name),
	DROP INDEX name,
	ADD FOREIGN KEY (domain_id) REFERENCES domains (id) ON DELETE CASCADE;
CREATE TABLE implied_roles (
	prior_id   VARCHAR(64) NOT NULL,
	implied_id VARCHAR(64) NOT NULL,
	PRIMARY KEY (prior_id, implied_id),
	FOREIGN KEY (prior_id) REFERENCES roles (id) ON DELETE CASCADE,
	FOREIGN KEY (implied_id) REFERENCES roles (id) ON DELETE CASCADE
);
INSERT INTO implied_roles (prior_id, implied_id)
	SELECT p.id, i.id FROM roles p, roles i
	WHERE (p.name, i.name) IN (('admin', 'manager'), ('manager', 'member'), ('member', 'reader'));
-- inherited: the role counts on the projects below the target, not on it.
ALTER TABLE assignments
	ADD inherited BOOLEAN NOT NULL DEFAULT FALSE,
	DROP PRIMARY KEY,
	ADD PRIMARY KEY (actor_kind, actor_id, target_kind, target_id, role_id, inherited);
