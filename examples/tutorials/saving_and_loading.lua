#!/usr/bin/env suture
