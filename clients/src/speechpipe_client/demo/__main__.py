"""``python -m speechpipe_client.demo``."""

from speechpipe_client.demo.run import main

if __name__ == "__main__":
    main()
