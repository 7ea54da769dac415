package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"time"
)

// form is one kind of request on one way: "%d" in url, before and after is replaced by the request's number.
type form struct {
	Name    string            `json:"name"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Before  string            `json:"before"`
	After   string            `json:"after"`
	Proxy   string            `json:"proxy"`
	Connect string            `json:"connect"`
	Chunked bool              `json:"chunked"`
}

// forms sends requests of several kinds by turns, one each, so that what disturbs one disturbs all. Each kind has a
// kept-alive connection of its own. It prints one result a kind, in the order of the file.
func forms(arguments []string) {
	flags := flag.NewFlagSet("forms", flag.ExitOnError)
	file := flags.String("file", "", "JSON list of the kinds of request")
	roots := flags.String("ca", "", "PEM file of trusted roots")
	size := flags.Int64("size", 4096, "bytes of the object in a request")
	count := flags.Int("n", 1, "requests of each kind")
	warm := flags.Int("warm", 0, "requests of each kind before the clock starts")
	flags.Parse(arguments)

	text, err := os.ReadFile(*file)
	if err != nil {
		log.Fatal(err)
	}
	var kinds []form
	if err := json.Unmarshal(text, &kinds); err != nil {
		log.Fatal(err)
	}
	pool := trusted(*roots)
	block := make([]byte, 8<<20)
	rand.New(rand.NewSource(1)).Read(block)
	clients := make([]*http.Client, len(kinds))
	for at, kind := range kinds {
		clients[at] = newClient(pool, kind.Proxy, kind.Connect)
	}

	times := make([][]time.Duration, len(kinds))
	failed := make([]int64, len(kinds))
	status := make([]int, len(kinds))
	for number := -int64(*warm); number < int64(*count); number++ {
		for at, kind := range kinds {
			took, code := sendForm(clients[at], kind, block, *size, number+int64(*warm))
			status[at] = code
			if code/100 != 2 {
				failed[at]++
			}
			if number >= 0 {
				times[at] = append(times[at], took)
			}
		}
	}
	results := make([]result, len(kinds))
	for at := range kinds {
		results[at] = summed(times[at], failed[at], 0, *size, status[at])
	}
	json.NewEncoder(os.Stdout).Encode(results)
}

func sendForm(client *http.Client, kind form, block []byte, size, number int64) (time.Duration, int) {
	before, after := replaceNumber(kind.Before, number), replaceNumber(kind.After, number)
	started := time.Now()
	data := &body{block: block, left: size, at: int(number*4099) % len(block)}
	whole := io.MultiReader(strings.NewReader(before), data, strings.NewReader(after))
	request, err := http.NewRequest(kind.Method, replaceNumber(kind.URL, number), whole)
	if err != nil {
		log.Fatal(err)
	}
	request.ContentLength = size + int64(len(before)+len(after))
	if kind.Chunked {
		request.ContentLength = -1
	}
	for name, value := range kind.Headers {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		fmt.Fprintln(os.Stderr, kind.Name, err)
		return time.Since(started), 0
	}
	said, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode/100 != 2 {
		fmt.Fprintln(os.Stderr, kind.Name, response.StatusCode, string(said))
	}
	return time.Since(started), response.StatusCode
}
