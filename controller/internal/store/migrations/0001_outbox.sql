-- Messages that a transaction has promised and that are not yet confirmed by
-- the broker. subject orders: messages of one subject leave in order.
CREATE TABLE IF NOT EXISTS outbox (
	id      BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
	topic   VARCHAR(64)  NOT NULL,
	subject VARCHAR(191) NOT NULL,
	body    LONGTEXT     NOT NULL,
	created DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
);
