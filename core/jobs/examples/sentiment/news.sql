-- Made-up news about made-up companies. Raise the number in LIMIT to get more.

CREATE TABLE news_articles (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    headline TEXT NOT NULL,
    body TEXT NOT NULL,
    sentiment_score REAL,
    sentiment_label TEXT,
    analysed_at TEXT
);

CREATE TABLE batch_mapping (
    article_id INTEGER PRIMARY KEY REFERENCES news_articles (id),
    status TEXT NOT NULL DEFAULT 'pending',
    label TEXT,
    completed_at TEXT
);

WITH RECURSIVE
    numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 200),
    companies (c, company) AS (
        VALUES (0, 'Aldern Motors'), (1, 'Brightwater Foods'), (2, 'Corvane Energy'), (3, 'Dellmark Bank'),
            (4, 'Evenhall Software'), (5, 'Fjordline Shipping'), (6, 'Granby Health')
    ),
    events (e, headline, body) AS (
        VALUES
            (0, 'raises its forecast for the year', 'Orders were strong in all regions, and costs fell.'),
            (1, 'recalls a product', 'The fault was found in tests; nobody was hurt. The recall will take until spring.'),
            (2, 'names a new finance chief', 'The change takes effect next quarter and was expected.'),
            (3, 'loses its largest customer', 'The contract stood for a tenth of revenue. Talks went on for months.'),
            (4, 'opens a second plant', 'The plant brings 400 jobs. Half of the money is a state loan.')
    )
INSERT INTO news_articles (id, source, headline, body)
SELECT
    n,
    CASE n % 3 WHEN 0 THEN 'wire' WHEN 1 THEN 'newspaper' ELSE 'blog' END,
    company || ' ' || headline,
    company || ' said so on day ' || n || ' of its financial year. ' || body
FROM numbers JOIN companies ON c = n % 7 JOIN events ON e = n % 5;

INSERT INTO batch_mapping (article_id) SELECT id FROM news_articles;
