-- oidc_sealed: how the provider is asked, with a secret (see the type secrets).
CREATE TABLE identity_providers (
	id          VARCHAR(64) NOT NULL PRIMARY KEY,
	domain_id   VARCHAR(64) NOT NULL,
	description TEXT        NULL,
	enabled     BOOLEAN     NOT NULL,
	remote_ids  TEXT        NOT NULL,
	oidc_sealed MEDIUMTEXT  NOT NULL,
	FOREIGN KEY (domain_id) REFERENCES domains (id)
);
CREATE TABLE federation_mappings (
	id             VARCHAR(64) NOT NULL PRIMARY KEY,
	rules          MEDIUMTEXT  NOT NULL,
	schema_version VARCHAR(8)  NOT NULL
);
-- pk: idp_id/id
CREATE TABLE federation_protocols (
	pk         VARCHAR(130) NOT NULL PRIMARY KEY,
	id         VARCHAR(64)  NOT NULL,
	idp_id     VARCHAR(64)  NOT NULL,
	mapping_id VARCHAR(64)  NOT NULL,
	FOREIGN KEY (idp_id) REFERENCES identity_providers (id) ON DELETE CASCADE,
	FOREIGN KEY (mapping_id) REFERENCES federation_mappings (id)
);
