-- Installed extensions: name, version, the version the server has at hand.
SELECT e.extname::text, e.extversion, a.default_version
FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname
ORDER BY 1
