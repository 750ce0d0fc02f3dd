// A full queue is 503 to programs. Gradio's page shows its own words for that status, which do not say when to come
// back; the server's do, so the page is given them as another status.
(() => {
    const send = window.fetch;
    window.fetch = async (...request) => {
        const answer = await send(...request);
        if (answer.status !== 503 || !answer.headers.has("Retry-After")) return answer;
        return new Response(await answer.text(), { status: 429, headers: answer.headers });
    };
})();
